"""What every table shares: how constraints are named, and how Python types are stored."""

from typing import Any

from sqlalchemy import JSON, Float, MetaData
from sqlalchemy.orm import DeclarativeBase

Document = dict[str, Any]
DEFAULT_PROJECT = "default"


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {float: Float(53), Document: JSON}  # noqa: RUF012 - SQLAlchemy's own form
