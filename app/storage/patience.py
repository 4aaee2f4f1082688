"""How long PostgreSQL may keep anybody waiting.

A process that is stopped, or cut off, inside a transaction keeps its locks for as long as the server believes in the
connection. So the server ends such a transaction, and nobody waits for a lock for long.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds; 0 for no limit. Each but the last is less than a worker's lease of 30, which they are to save.

    `lock`: a wait for one lock, 503 then; transactions last milliseconds, so whoever holds it is not well.
    `statement`: what the server works on one statement, such a wait included; more than `lock`, which tells more.
    `idle`: how long a transaction may lie open with nothing asked of it: then its locks are free again.
    `answer`: how long a client waits for an answer; more than `statement`, which leaves the connection usable.
    `connect`: until a connection to one address stands.
    """

    lock: float = 10
    statement: float = 20
    idle: float = 20
    answer: float = 25
    connect: int = 5


LIMITS = Limits()
UNLIMITED = Limits(lock=0, statement=0, idle=0, answer=0)
"""For migrations, which wait for one another and may rebuild a table, for as long as that takes."""
