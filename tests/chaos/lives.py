"""A run's life as the storage would tell of it, without any worker: for what no worker of ours does."""

from app.storage import records
from app.storage.checkpoints import Checkpoint
from app.storage.jobs import Claim
from tests.chaos.arena import Arena
from tests.chaos.kinds import KINDS
from tests.storage.rows import claim


class Life:
    """A run whose first attempt `lost` it; the one that `holds` it has more to tell until it `succeeds`."""

    def __init__(self, arena: Arena) -> None:
        self.arena, self.sent = arena, arena.send(KINDS[0])
        self.lost = self._begin()
        self._report(self.lost, 1)
        arena.place.expire(self.sent.run_id)
        self.holds = self._begin()
        self._report(self.holds, 2)

    def succeeds(self) -> None:
        """Publishes two files and ends the run."""
        names = ("network.json", "weights.safetensors")
        files = {name: self.arena.place.blobs.write(f"{self.folder}/{name}", name.encode()) for name in names}
        with self.arena.place.database.write() as session:
            records.succeeded(session, self.holds, {}, files)

    @property
    def folder(self) -> str:
        return f"runs/{self.sent.run_id}/attempt-{self.holds.attempt}"

    def _begin(self) -> Claim:
        held = claim(self.arena.place.database)
        with self.arena.place.database.write() as session:
            records.started(session, held, {})
        return held

    def _report(self, held: Claim, epoch: int) -> None:
        file = self.arena.place.blobs.write(f"runs/{self.sent.run_id}/attempt-{held.attempt}/checkpoint", b"state")
        with self.arena.place.database.write() as session:
            records.epoch(session, held, {"epoch": epoch, "seconds": float(epoch)}, {}, {})
            records.checkpoint(session, held, Checkpoint(file, "training", epoch, 0))
