"""The command line: `dropnorm serve`, `worker`, `migrate`, `demo`."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.errors import DropnormError
from app.settings import Settings, load

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
        settings = load(
            host=host, port=port, workers=workers, processes=processes, data_dir=data_dir, database_url=database_url
        )
        # Imported here: `--help` and the other commands need no web framework.
        from app import main

        main.serve(settings, ready=_greeting)


@app.command()
def worker(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """One training worker, for a database that other processes serve."""
    with _told():
        settings = load(data_dir=data_dir, database_url=database_url)
        from app import main

        main.work(settings, parent)


@app.command()
def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database's tables up to date. `serve` does so by itself."""
    with _told():
        settings = load(data_dir=data_dir, database_url=database_url)
        from app import main

        main.migrate(settings)
    typer.echo("the database is up to date")


@app.command()
def demo() -> None:
    """The main job end to end, in a service of its own: upload, train, predict, every call shown."""
    with _told():
        from app.demo import run

        run()


def main() -> None:
    """The entry point: commands log to standard error, one line an event."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Alembic tells of its plugins at every import; the migration itself is told by the command.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    app()


def _greeting(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    typer.echo(f"dropnorm serves {address}  (data in {settings.data_dir.resolve()})")
    typer.echo("  no keys: whoever reaches this address may use it, so it listens on loopback alone")
    typer.echo("  next, upload a table whose last column is to be predicted:")
    typer.echo(f"    curl -F file=@data.csv {address}/api/v1/datasets")
    typer.echo(f"  every call: {address}/docs")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except DropnormError as error:
        typer.echo(f"dropnorm: {error.detail}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
