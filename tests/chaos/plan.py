"""How much is to happen in a storm."""

from dataclasses import dataclass

from tests.chaos.kinds import KINDS


@dataclass(frozen=True)
class Plan:
    """How much is to happen: at least so many runs, and exactly so many disturbances of each sort.

    Between two of them are `pace_seconds` on average, and more where the runs take longer.
    """

    runs: int = 60
    kinds: int = len(KINDS)
    kills: int = 45
    stops: int = 20
    terminations: int = 4
    cancels: int = 6
    restarts: int = 0
    workers: int = 3
    lease_seconds: float = 2.0
    checkpoint_seconds: float = 0.2
    pace_seconds: float = 1.0
    deadline_seconds: float = 1_800.0

    @property
    def settings(self) -> dict[str, str]:
        """The workers' variables."""
        return {
            "DROPNORM_LEASE_SECONDS": str(self.lease_seconds),
            "DROPNORM_CHECKPOINT_SECONDS": str(self.checkpoint_seconds),
        }
