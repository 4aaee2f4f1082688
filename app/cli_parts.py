"""What the commands share: options, the database and folder that they work on, and how a failure is told."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app import logs
from app.errors import DropnormError
from app.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from app.storage.blobs import Blobs
    from app.storage.database import Database

DATABASE_FILE = "dropnorm.db"
SAGEMAKER_MODEL = Path("/opt/ml/model")
"""Where SageMaker unpacks what a model was made of."""
DataDir = Annotated[Path | None, typer.Option(help="Files, and the embedded database. [DROPNORM_DATA_DIR]")]
DatabaseUrl = Annotated[str | None, typer.Option(help="Default: SQLite in the data folder. [DROPNORM_DATABASE_URL]")]


def settings_of(**flags: str | int | Path | None) -> Settings:
    """The settings of a command; whatever it logs from now on has the form that they ask for."""
    settings = load(os.environ, **flags)
    logs.configure(settings.log_format, settings.log_level)
    return settings


@contextmanager
def told() -> Iterator[None]:
    """Ends the command with status 2 and one line where something that a user can meet goes wrong."""
    try:
        yield
    except DropnormError as error:
        typer.echo(f"dropnorm: {error.detail}", err=True)
        sys.exit(2)


@contextmanager
def stored(settings: Settings) -> Iterator[tuple["Database", "Blobs"]]:
    """A database and a data folder that are there already. Raises `SettingsError` where one is not."""
    if not settings.data_dir.is_dir():
        raise SettingsError(f"DROPNORM_DATA_DIR {settings.data_dir} is not there")
    # Imported here, as in the commands: `--help` needs none of it.
    from app.storage import revision
    from app.storage.blobs import Blobs
    from app.storage.database import Database

    with closing(Database(settings.database)) as database:
        if not revision.is_current(database):
            raise SettingsError("the database is not of this version; `dropnorm migrate` brings it up to date")
        yield database, Blobs(settings.data_dir)


def migrate(settings: Settings) -> None:
    """Brings the database up to date, with the keys that the environment names in it."""
    from app.storage import migrations
    from app.storage.database import Database

    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"DROPNORM_DATA_DIR {settings.data_dir} cannot be made: {error.strerror}") from None
    with closing(Database(settings.database)) as database:
        migrations.upgrade(database)
        _settle_keys(settings, database)


def restore(settings: Settings) -> None:
    """Fills a data folder that has no database with the backup that is to be begun with, if one is.

    Raises `SettingsError` where there is none, or where it cannot be copied.
    """
    wanted = Path(settings.restore_from) if settings.restore_from else SAGEMAKER_MODEL
    is_there = (wanted / DATABASE_FILE).is_file()
    if settings.restore_from and not is_there:
        raise SettingsError(f"DROPNORM_RESTORE_FROM {wanted} holds no {DATABASE_FILE}")
    database = settings.data_dir / DATABASE_FILE
    if not is_there or settings.database_url or database.exists():
        return
    if not settings.restore_from and settings.sagemaker == "off":
        return
    try:
        shutil.copytree(wanted, settings.data_dir, dirs_exist_ok=True, ignore=shutil.ignore_patterns(DATABASE_FILE))
        # The database last and at once: a copy that breaks off is begun again.
        copied = shutil.copy(wanted / DATABASE_FILE, database.with_suffix(".incoming"))
        os.replace(copied, database)
    except (OSError, shutil.Error):
        raise SettingsError(f"{wanted} cannot be copied into DROPNORM_DATA_DIR {settings.data_dir}") from None


def _settle_keys(settings: Settings, database: "Database") -> None:
    """Makes the keys of the environment the ones that hold. Raises `SettingsError` for one that was revoked."""
    from app.storage import keys

    given = {
        "DROPNORM_ADMIN_KEY": ("first key", keys.SCOPES, settings.admin_key),
        "DROPNORM_METRICS_KEY": ("metrics", ("read",), settings.metrics_key),
        "DROPNORM_INVOCATIONS_KEY": ("invocations", ("predict",), settings.invocations_key),
    }
    with database.write() as session:
        held = {
            variable: keys.settle(session, variable, name, scopes, secret)
            for variable, (name, scopes, secret) in given.items()
            if secret
        }
    for variable, holds in held.items():
        if not holds:
            raise SettingsError(f"the key in {variable} was revoked; make another, or leave the variable out")


def check_keys(settings: Settings) -> None:
    """Raises `SettingsError` where keys are asked for and there is none."""
    if not settings.keys_required:
        return
    from app.storage import keys
    from app.storage.database import Database

    with closing(Database(settings.database)) as database, database.read() as session:
        if keys.census(session).live == 0:
            raise SettingsError(
                "keys are asked for and there is none: make the first with `dropnorm keys create --name first "
                "--scope admin`, or name it in DROPNORM_ADMIN_KEY (dn_ and 32 letters or digits at least)"
            )
