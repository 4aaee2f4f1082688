"""What `/readyz` found, kept for a moment: it needs no key, so asking again and again must cost nothing."""

import asyncio
import time
from collections.abc import Callable

Checks = dict[str, str]
FRESH_SECONDS = 0.5


class Readiness:
    """One look at a time, for all who ask meanwhile and shortly after. Lives on one event loop."""

    def __init__(self) -> None:
        self._look: asyncio.Task[Checks] | None = None
        self._begun = 0.0

    async def seen(self, look: Callable[[], Checks]) -> Checks:
        """What `look`, called in a thread, finds, or found half a second ago at the most."""
        if self._look is None or (self._look.done() and time.monotonic() - self._begun > FRESH_SECONDS):
            self._begun = time.monotonic()
            self._look = asyncio.create_task(asyncio.to_thread(look))
        # Whoever goes away takes nobody's answer along.
        return await asyncio.shield(self._look)
