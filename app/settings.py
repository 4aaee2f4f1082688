"""The environment, read in one place: every `DROPNORM_` variable, its bounds and its default."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from app.errors import DropnormError, shown

PREFIX = "DROPNORM_"
KEY = r"^$|^dn_[A-Za-z0-9]{32,100}$"
MODEL = r"^$|^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
AS_SAGEMAKER = {"host": "0.0.0.0", "port": "8080", "allowed_hosts": "*", "workers": "0"}  # noqa: S104 - keys are asked for
"""What `DROPNORM_SAGEMAKER` makes the defaults: its containers answer there, under names that nobody knows before."""
SECRETS = frozenset({"admin_key", "invocations_key", "metrics_key", "database_url"})
"""Whose values no message shows: the database's address may hold a password."""
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
    auth: Literal["", "on", "off"] = ""
    admin_key: Annotated[str, Field(pattern=KEY, repr=False)] = ""
    metrics_key: Annotated[str, Field(pattern=KEY, repr=False)] = ""
    invocations_key: Annotated[str, Field(pattern=KEY, repr=False)] = ""
    allowed_hosts: str = "localhost,127.0.0.1,[::1]"
    max_upload_bytes: Annotated[int, Field(ge=1)] = 8 << 30
    max_body_bytes: Annotated[int, Field(ge=1)] = 64 << 20
    max_prediction_rows: Annotated[int, Field(ge=1)] = 100_000
    max_prediction_cells: Annotated[int, Field(ge=1)] = 50_000_000
    max_prediction_values: Annotated[int, Field(ge=1)] = 2_000_000
    max_buffered_bytes: Annotated[int, Field(ge=1)] = 512 << 20
    max_requests_per_second: Annotated[int, Field(ge=0)] = 10_000
    max_concurrent_requests: Annotated[int, Field(ge=1)] = 500
    max_concurrent_uploads: Annotated[int, Field(ge=1)] = 32
    max_wait_seconds: Annotated[float, Field(gt=0, le=600)] = 0.05
    max_concurrent_streams: Annotated[int, Field(ge=1)] = 4
    body_seconds: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 0.0
    ingest_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0
    ingest_memory_bytes: Annotated[int, Field(ge=256 << 20)] = 2 << 30
    stream_seconds: Annotated[int, Field(ge=1)] = 3_600
    model_cache: Annotated[int, Field(ge=1)] = 64
    sagemaker: Literal["on", "off"] = "off"
    restore_from: str = ""
    default_model: Annotated[str, Field(pattern=MODEL)] = ""
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
    def hosts(self) -> frozenset[str]:
        return frozenset(host.strip().lower() for host in self.allowed_hosts.split(",") if host.strip())

    @property
    def is_loopback(self) -> bool:
        """Whether it listens where no other machine comes."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def keys_required(self) -> bool:
        """Everywhere but on loopback, where they may be asked for."""
        return self.auth == "on" or not self.is_loopback

    @model_validator(mode="after")
    def _keys_differ(self) -> "Settings":
        given: dict[str, str] = {}
        for name in ("admin_key", "metrics_key", "invocations_key"):
            key = getattr(self, name)
            if key and key in given:
                variable, other = f"{PREFIX}{name.upper()}", f"{PREFIX}{given[key].upper()}"
                raise PydanticCustomError(
                    "same_key", "{variable} must be another key than {other}", {"variable": variable, "other": other}
                )
            given[key] = name
        return self

    def check_host(self) -> None:
        """Raises `SettingsError` for an address that other machines reach, and that is not guarded accordingly."""
        if self.is_loopback:
            return
        if self.auth == "off":
            raise SettingsError(
                f"DROPNORM_AUTH off is for loopback alone, and DROPNORM_HOST is {self.host}: leave it out, and keys "
                "are asked for"
            )
        if self.allowed_hosts == Settings.model_fields["allowed_hosts"].default:
            raise SettingsError(
                f"DROPNORM_HOST {self.host} is not loopback: name the hosts that may be asked for in "
                "DROPNORM_ALLOWED_HOSTS"
            )

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
    if given.get("sagemaker") == "on":
        given = AS_SAGEMAKER | given
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            # It is about more than one of them, and names them.
            raise SettingsError(first["msg"]) from None
        name = PREFIX + str(first["loc"][0]).upper()
        received = "" if first["loc"][0] in SECRETS else f"; received {shown(repr(first['input']))}"
        raise SettingsError(f"{name}: {first['msg']}{received}") from None
