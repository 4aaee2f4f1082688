"""`dropnorm keys`: make, list and revoke keys, for whoever has the database at hand."""

import re
import time
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_parts import DatabaseUrl, DataDir, settings_of, stored, told
from app.errors import Invalid

if TYPE_CHECKING:
    from app.storage.service_tables import KeyRow

app = typer.Typer(name="keys", no_args_is_help=True, help="Keys: who may use the service, and for what.")
WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for, to tell it by.")],
    scope: Annotated[list[str], typer.Option(help="read, predict, train or admin (which includes all); repeatable.")],
    project: Annotated[str, typer.Option(help="Whose things it sees.")] = "default",
    days: Annotated[float | None, typer.Option(min=0.001, help="How long it holds. Default: until revoked.")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a key and print it, once: only its digest is stored."""
    with told():
        settings = settings_of(data_dir=data_dir, database_url=database_url)
        from app.storage import keys

        _check(name, scope, project)
        with stored(settings) as (database, _), database.write() as session:
            secret = keys.new_secret()
            expires_at = None if days is None else time.time() + days * 86_400
            row = keys.add(session, project, name, scope, secret, expires_at=expires_at)
        typer.echo(f"{row.id}: {row.scopes} in project {project}; keep the key, it is not shown again", err=True)
        typer.echo(secret)


@app.command(name="list")
def list_keys(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """List the keys that are not revoked, by how they begin."""
    with told():
        settings = settings_of(data_dir=data_dir, database_url=database_url)
        from app.storage import keys

        rows: list[KeyRow] = []
        with stored(settings) as (database, _), database.read() as session:
            cursor: str | None = None
            while True:
                page, cursor = keys.page(session, None, 200, cursor)
                rows += page
                if cursor is None:
                    break
        for row in rows:
            typer.echo("\t".join((row.id, f"{row.hint}…", row.project, row.scopes, row.name)))


@app.command()
def revoke(key_id: str, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Revoke a key: it holds no more, in every running process within a second."""
    with told():
        settings = settings_of(data_dir=data_dir, database_url=database_url)
        from app.storage import keys

        with stored(settings) as (database, _), database.write() as session:
            row = keys.revoke(session, None, key_id)
        typer.echo(f"revoked {row.id} ({row.name})")


def _check(name: str, scopes: list[str], project: str) -> None:
    from app.storage import keys

    unknown = [scope for scope in scopes if scope not in keys.SCOPES]
    if unknown:
        raise Invalid(f"{unknown[0]} is no scope; there are {', '.join(keys.SCOPES)}")
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise Invalid("the name must be 1 to 100 printable characters")
    if not re.fullmatch(WORD, project):
        raise Invalid("a project's name is letters, digits, dots, dashes and underscores, 100 at the most")
