"""The command line: `dropnorm serve`, `worker`, `migrate`, `sweep`, `adopt`, `demo`."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app import logs
from app.errors import DropnormError, StorageFull, Unavailable
from app.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from app.storage.blobs import Blobs
    from app.storage.database import Database

app = typer.Typer(
    name="dropnorm",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train a dropout / batch-norm network over HTTP, and predict from it right, every time.",
)
DataDir = Annotated[Path | None, typer.Option(help="Files, and the embedded database. [DROPNORM_DATA_DIR]")]
DatabaseUrl = Annotated[str | None, typer.Option(help="Default: SQLite in the data folder. [DROPNORM_DATABASE_URL]")]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [DROPNORM_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [DROPNORM_PORT]")] = None,
    workers: Annotated[int | None, typer.Option(help="Training workers beside the API. [DROPNORM_WORKERS]")] = None,
    processes: Annotated[int | None, typer.Option(help="API processes on the port. [DROPNORM_PROCESSES]")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """The API with an embedded database and worker; nothing else is needed."""
    with _told():
        settings = _settings(
            host=host, port=port, workers=workers, processes=processes, data_dir=data_dir, database_url=database_url
        )
        _migrate(settings)
        _check_folder(settings)
    # What the command line and the migration loaded is of no use to the server, so it starts as a fresh process.
    os.execve(sys.executable, [sys.executable, "-m", "app.main"], os.environ | settings.environment())  # noqa: S606


@app.command()
def worker(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """One training worker, for a database that other processes serve."""
    with _told():
        settings = _settings(data_dir=data_dir, database_url=database_url)
        # Imported here, as below: `--help` needs none of it.
        from app.worker.supervisor import Pace
        from app.worker.work import work

        try:
            _check_folder(settings)
        except (Unavailable, StorageFull) as error:
            # It waits for its database and for room; and without a look at this nothing is swept.
            logging.getLogger("dropnorm").warning("is this its data folder? %s", error.detail)

        if parent is not None:
            from app.ingest.bounds import die_with

            die_with(parent)
        pace = Pace(settings.lease_seconds, settings.checkpoint_seconds)
        work(settings.database, settings.data_dir, pace, settings.traces_endpoint)


@app.command()
def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database's tables up to date. `serve` does so by itself."""
    with _told():
        _migrate(_settings(data_dir=data_dir, database_url=database_url))
    typer.echo("the database is up to date")


@app.command()
def sweep(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    grace_seconds: Annotated[
        float,
        typer.Option(min=0, help="What is younger may get its row yet, and stays. 0 while the service is stopped."),
    ] = 3600.0,
) -> None:
    """Remove what no row needs: files of lost attempts and uploads, old keys. Workers do so by themselves."""
    with _told():
        settings = _settings(data_dir=data_dir, database_url=database_url)
        from app.storage.sweep import sweep as swept

        with _stored(settings) as (database, blobs):
            typer.echo(f"removed {swept(database, blobs, grace_seconds)}")


@app.command()
def adopt(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Say that the data folder is this database's and no other's, where a start was refused for not knowing it."""
    with _told():
        settings = _settings(data_dir=data_dir, database_url=database_url)
        from app.storage.installation import adopt as adopted

        with _stored(settings) as (database, blobs):
            adopted(database, blobs)
        typer.echo(f"{settings.data_dir} is the data folder of this database")


@app.command()
def demo() -> None:
    """The main job end to end, in a service of its own: upload, train, predict, every call shown."""
    with _told():
        from app.demo import run

        run()


def main() -> None:
    """The entry point: commands log to standard error, one line an event."""
    app()


def _settings(**flags: str | int | Path | None) -> Settings:
    """The settings of a command; whatever it logs from now on has the form that they ask for."""
    settings = load(os.environ, **flags)
    logs.configure(settings.log_format, settings.log_level)
    return settings


def _migrate(settings: Settings) -> None:
    from app.storage import migrations
    from app.storage.database import Database

    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"DROPNORM_DATA_DIR {settings.data_dir} cannot be made: {error.strerror}") from None
    database = Database(settings.database)
    try:
        migrations.upgrade(database)
    finally:
        database.close()


@contextmanager
def _stored(settings: Settings) -> Iterator[tuple["Database", "Blobs"]]:
    """A database and a data folder that are there already. Raises `SettingsError` where one is not."""
    if not settings.data_dir.is_dir():
        raise SettingsError(f"DROPNORM_DATA_DIR {settings.data_dir} is not there")
    from app.storage import revision
    from app.storage.blobs import Blobs
    from app.storage.database import Database

    with closing(Database(settings.database)) as database:
        if not revision.is_current(database):
            raise SettingsError("the database is not of this version; `dropnorm migrate` brings it up to date")
        yield database, Blobs(settings.data_dir)


def _check_folder(settings: Settings) -> None:
    """Raises `SettingsError` for what is not this database's folder: nothing would be found, and much be swept."""
    from app.storage.blobs import Blobs
    from app.storage.database import Database
    from app.storage.installation import belong_together

    with closing(Database(settings.database)) as database:
        if not belong_together(database, Blobs(settings.data_dir)):
            raise SettingsError(
                f"DROPNORM_DATA_DIR {settings.data_dir} does not belong to this database: is its disk mounted, and are "
                "folder and database the right ones? If so, `dropnorm adopt` says so"
            )


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except DropnormError as error:
        typer.echo(f"dropnorm: {error.detail}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
