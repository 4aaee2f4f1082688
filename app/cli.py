"""The command line: `dropnorm serve`, `worker`, `migrate`, `keys`, `sweep`, `adopt`, `demo`."""

import logging
import os
import sys
from contextlib import closing
from typing import Annotated

import typer

from app.cli_keys import app as keys_app
from app.cli_parts import DatabaseUrl, DataDir, check_keys, restore, settings_of, stored, told
from app.cli_parts import migrate as prepare
from app.errors import StorageFull, Unavailable
from app.settings import Settings, SettingsError

app = typer.Typer(
    name="dropnorm",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train a dropout / batch-norm network over HTTP, and predict from it right, every time.",
)
app.add_typer(keys_app)


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
    with told():
        settings = settings_of(
            host=host, port=port, workers=workers, processes=processes, data_dir=data_dir, database_url=database_url
        )
        settings.check_host()
        restore(settings)
        prepare(settings)
        _check_folder(settings)
        check_keys(settings)
    # What the command line and the migration loaded is of no use to the server, so it starts as a fresh process.
    os.execve(sys.executable, [sys.executable, "-m", "app.main"], os.environ | settings.environment())  # noqa: S606


@app.command()
def worker(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """One training worker, for a database that other processes serve."""
    with told():
        settings = settings_of(data_dir=data_dir, database_url=database_url)
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
    with told():
        prepare(settings_of(data_dir=data_dir, database_url=database_url))
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
    with told():
        settings = settings_of(data_dir=data_dir, database_url=database_url)
        from app.storage.sweep import sweep as swept

        with stored(settings) as (database, blobs):
            typer.echo(f"removed {swept(database, blobs, grace_seconds)}")


@app.command()
def adopt(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Say that the data folder is this database's and no other's, where a start was refused for not knowing it."""
    with told():
        settings = settings_of(data_dir=data_dir, database_url=database_url)
        from app.storage.installation import adopt as adopted

        with stored(settings) as (database, blobs):
            adopted(database, blobs)
        typer.echo(f"{settings.data_dir} is the data folder of this database")


@app.command()
def demo() -> None:
    """The main job end to end, in a service of its own: upload, train, predict, every call shown."""
    with told():
        from app.demo import run

        run()


def main() -> None:
    """The entry point: commands log to standard error, one line an event."""
    app()


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


if __name__ == "__main__":
    main()
