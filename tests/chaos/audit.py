"""A record of every write, made by the database itself: triggers note which attempt wrote, and which held the job.

It stands in the writer's own transaction, so what was rolled back is not in it and nothing that was committed is
missing. On PostgreSQL it also knows the writer, by the name that each worker gives to its connections.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from app.storage.database import Database

HARNESS = "storm"
"""The name of the harness's own connections, on PostgreSQL."""

_TABLE = """CREATE TABLE storm_writes (number {number}, relation TEXT, job_id TEXT, attempt INTEGER, held INTEGER,
 before TEXT, after TEXT, crashes INTEGER, detail TEXT, writer TEXT)"""
_INSERT = "INSERT INTO storm_writes (relation, job_id, attempt, held, before, after, crashes, detail, writer)"
_OF_A_JOB = """SELECT 'jobs', NEW.id, NEW.attempt, OLD.attempt, OLD.status, NEW.status, NEW.crashes - OLD.crashes,
 '', {writer}"""
_OF_A_RUN = """SELECT '{relation}', jobs.id, {attempt}, jobs.attempt, jobs.status, jobs.status, 0, {detail}, {writer}
 FROM jobs JOIN runs ON runs.job_id = jobs.id WHERE runs.id = NEW.{run}"""
# Relation, statement, attempt, detail, the column that names the run. An artifact's key tells the attempt.
_WATCHED = (
    ("runs", "UPDATE", "NULL", "''", "id"),
    ("events", "INSERT", "NEW.attempt", "NEW.kind", "run_id"),
    ("epochs", "INSERT", "NEW.attempt", "''", "run_id"),
    ("epochs", "UPDATE", "NEW.attempt", "''", "run_id"),
    ("checkpoints", "INSERT", "NEW.attempt", "NEW.key", "run_id"),
    ("artifacts", "INSERT", "NULL", "NEW.key", "run_id"),
)


@dataclass(frozen=True)
class Write:
    """One row written. `attempt` wrote it while `held` held the job, whose status went from `before` to `after`.

    `attempt` is None where the row does not say. `crashes` is by how much the job's count of them changed; `writer` is
    the worker's name, or empty where the database does not know it.
    """

    number: int
    relation: str
    job_id: str
    attempt: int | None
    held: int
    before: str
    after: str
    crashes: int
    detail: str
    writer: str

    @property
    def claims(self) -> bool:
        return self.relation == "jobs" and self.attempt == self.held + 1

    def __str__(self) -> str:
        wrote = f"{self.writer or 'somebody'} wrote {self.relation} {self.detail}".rstrip()
        return f"write {self.number}: {wrote} as attempt {self.attempt} of {self.job_id}, held by {self.held}"


def watch(database: Database) -> None:
    """Makes the table and the triggers, in a database that is migrated and has no rows yet."""
    sqlite = database.engine.dialect.name == "sqlite"
    number = "INTEGER PRIMARY KEY AUTOINCREMENT" if sqlite else "BIGSERIAL PRIMARY KEY"
    writer = "''" if sqlite else "current_setting('application_name')"
    with database.write() as session:
        session.execute(text(_TABLE.format(number=number)))
        bodies = [("jobs", "UPDATE", _OF_A_JOB.format(writer=writer))]
        for relation, event, attempt, detail, run in _WATCHED:
            body = _OF_A_RUN.format(relation=relation, attempt=attempt, detail=detail, writer=writer, run=run)
            bodies.append((relation, event, body))
        for relation, event, body in bodies:
            for statement in _trigger(relation, event, f"{_INSERT} {body}", sqlite=sqlite):
                session.execute(text(statement))


def _trigger(relation: str, event: str, body: str, *, sqlite: bool) -> list[str]:
    name = f"storm_{relation}_{event.lower()}"
    begin = f"CREATE TRIGGER {name} AFTER {event} ON {relation} FOR EACH ROW"
    if sqlite:
        return [f"{begin} BEGIN {body}; END"]
    function = f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"
    return [function, f"{begin} EXECUTE FUNCTION {name}()"]


def writes(database: Database) -> list[Write]:
    """Every write so far, in order."""
    columns = "number, relation, job_id, attempt, held, before, after, crashes, detail, writer"
    with database.read() as session:
        return [Write(*row) for row in session.execute(text(f"SELECT {columns} FROM storm_writes ORDER BY number"))]


def claims(made: Sequence[Write]) -> int:
    return sum(write.claims for write in made)


def crashes(made: Sequence[Write]) -> int:
    """How often a crash was counted."""
    return sum(max(write.crashes, 0) for write in made)
