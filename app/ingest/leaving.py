"""Columns that say which row it is rather than what it is like: left out, unless they are asked for."""

from app.domain.data.schema import ColumnRequest, ColumnType, Warning
from app.errors import shown
from app.ingest.table import Look

FEWEST_ROWS = 20
"""Below this many values, distinct ones prove nothing."""
_NAMES = frozenset({"id", "index", "idx", "row", "row_id", "rowid", "row_number", "uid", "uuid", "guid", "key"})


def left_out(look: Look, asked: ColumnRequest) -> Warning | None:
    """The warning under which a column is left out; None where it is kept."""
    if look.present == 0:
        return Warning(code="empty_column", message=f"Column '{shown(look.name)}' has no value and was left out.")
    if asked.role == "feature" or asked.type is not None or look.odd is not None:
        return None
    if _is_prose(look):
        return _warning(look, "free_text_left_out", "holds free text")
    if _is_identifier(look):
        return _warning(look, "identifier_left_out", "looks like an identifier")
    return None


def _is_prose(look: Look) -> bool:
    long = look.characters > 40 and look.distinct > 0.5 * look.present and look.present >= FEWEST_ROWS
    return look.type is ColumnType.CATEGORICAL and (long or look.characters > 200)


def _is_identifier(look: Look) -> bool:
    many = look.present >= FEWEST_ROWS
    if look.type is ColumnType.CATEGORICAL:
        return many and look.distinct >= 0.95 * look.present
    named = look.name.strip().lower() in _NAMES and look.whole and look.distinct == look.present
    return look.type is ColumnType.NUMERIC and many and (look.sequence or named)


def _warning(look: Look, code: str, why: str) -> Warning:
    name = shown(look.name)
    ask = f'columns={{"{name}": {{"role": "feature"}}}}'
    return Warning(code=code, message=f"Column '{name}' {why} and was left out; to take it in, send {ask}.")
