"""What a worker has done since it started, as its heartbeat tells it."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """They only ever grow. `epochs` and `training_rows` are counted once they are written down, repeated ones too."""

    epochs: int = 0
    training_rows: int = 0
    leases_lost: int = 0
    trainers_lost: int = 0
