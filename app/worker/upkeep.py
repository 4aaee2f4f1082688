"""Sweeping beside the work: every worker does so now and then, so that no process is needed for it."""

import logging
import threading
from secrets import SystemRandom

from app.errors import DropnormError
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.sweep import sweep

FIRST_SECONDS = (5.0, 60.0)
EVERY_SECONDS = (720.0, 1080.0)
"""Between two numbers, at random, so that workers which started together do not all sweep together."""
_LOG = logging.getLogger("dropnorm.worker")


class Upkeep:
    """A thread that sweeps until `stop` is set. It neither keeps its process alive nor delays its end."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        stop: threading.Event,
        *,
        first_seconds: tuple[float, float] = FIRST_SECONDS,
        every_seconds: tuple[float, float] = EVERY_SECONDS,
    ) -> None:
        self._database, self._blobs, self._stop = database, blobs, stop
        self._first, self._every = first_seconds, every_seconds

    def start(self) -> threading.Thread:
        """Begins, and returns at once. The first sweep comes after a short while."""
        thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        random = SystemRandom()
        pause = random.uniform(*self._first)
        while not self._stop.wait(pause):
            self._sweep()
            pause = random.uniform(*self._every)

    def _sweep(self) -> None:
        try:
            swept = sweep(self._database, self._blobs)
        except DropnormError as error:
            _LOG.warning("the sweep is put off: %s", error.detail)
        except OSError as error:
            _LOG.warning("the sweep is put off: %s", error.strerror)
        except Exception:  # noqa: BLE001 - the next sweep must come, whatever this one met
            _LOG.exception("the sweep failed")
        else:
            if swept:
                _LOG.info("swept %s", swept)
