"""The environment, read in one place: every `DROPNORM_` variable, its bounds and its default."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import DropnormError, shown

PREFIX = "DROPNORM_"
ENDPOINTS = r"^$|^https?://[^\s/?#@]+(/\S*)?$"
DATABASES = r"^$|^sqlite:///|^postgresql\+psycopg://"


class SettingsError(DropnormError):
    """A variable that is unknown or out of range; the start is stopped with this one line."""

    code = "settings"


class Settings(BaseModel):
    """All settings, each `DROPNORM_` and its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    data_dir: Path = Path("data")
    database_url: Annotated[str, Field(pattern=DATABASES)] = ""
    auth: Literal["off"] = "off"
    allowed_hosts: str = "localhost,127.0.0.1,[::1]"
    max_upload_bytes: Annotated[int, Field(ge=1)] = 8 << 30
    max_body_bytes: Annotated[int, Field(ge=1)] = 64 << 20
    max_prediction_rows: Annotated[int, Field(ge=1)] = 100_000
    ingest_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0
    ingest_memory_bytes: Annotated[int, Field(ge=256 << 20)] = 2 << 30
    model_cache: Annotated[int, Field(ge=1)] = 64
    lease_seconds: Annotated[float, Field(ge=1, le=300)] = 30.0
    checkpoint_seconds: Annotated[float, Field(gt=0, le=86_400)] = 5.0
    max_unfinished_runs: Annotated[int, Field(ge=1)] = 500
    max_stored_bytes: Annotated[int, Field(ge=0)] = 0
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    access_log: Literal["on", "off"] = "on"
    traces_endpoint: Annotated[str, Field(pattern=ENDPOINTS)] = ""

    @property
    def database(self) -> str:
        """The database's address: an SQLite file in the data folder unless one is given."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'dropnorm.db'}"

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(host.strip().lower() for host in self.allowed_hosts.split(",") if host.strip())

    def environment(self) -> dict[str, str]:
        """The variables that give another process these settings."""
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in self.model_dump().items() if value != ""}


def load(environment: Mapping[str, str] = os.environ, **flags: object) -> Settings:
    """Reads the settings; `flags` that are not None win over the environment. Raises `SettingsError`, in one line."""
    given: dict[str, object] = {}
    for name, value in sorted(environment.items()):
        if name.startswith(PREFIX) and value != "":
            field = name.removeprefix(PREFIX).lower()
            if field not in Settings.model_fields:
                raise SettingsError(f"{name} is not a setting of dropnorm")
            given[field] = value
    given |= {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        # The database's address may hold a password.
        received = "" if first["loc"][0] == "database_url" else f"; received {shown(repr(first['input']))}"
        raise SettingsError(f"{name}: {first['msg']}{received}") from None
