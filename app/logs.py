"""Logs: one event a line, as text or as JSON, with the request and the run that it belongs to.

Whatever a line tells may come from a stranger, so control characters are written out, and no line can forge another.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from types import TracebackType
from typing import Literal, TextIO

Form = Literal["text", "json"]
request_id: ContextVar[str] = ContextVar("request_id", default="")
run_id: ContextVar[str] = ContextVar("run_id", default="")

# C0 and C1 controls, line and paragraph separators, marks that turn the direction of writing, and lone surrogates.
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\x1b"}
_INDENT = "\n  | "
_LOG = logging.getLogger("dropnorm")


def visible(text: str) -> str:
    """`text` on one line, its control characters written out as Python would write them."""
    return _HIDDEN.sub(_written_out, text)


def json_line(values: dict[str, object]) -> str:
    """One JSON object without any line break or control character in it, in ASCII alone."""
    return json.dumps(values, default=str).replace("\x7f", "\\u007f")


def json_text(text: str) -> str:
    """`text` as JSON writes it, likewise: a tenth of the cost of `json_line`."""
    return encode_basestring_ascii(text).replace("\x7f", "\\u007f")


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=4)
def _second(whole: int) -> str:
    # Many lines are written within one second.
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@contextmanager
def about_run(run: str) -> Iterator[None]:
    """Every line that is logged within the block names this run."""
    token = run_id.set(run)
    try:
        yield
    finally:
        run_id.reset(token)


class TextFormatter(logging.Formatter):
    """Time, level, logger, request and run where there are any, message; a traceback follows, each line marked."""

    def format(self, record: logging.LogRecord) -> str:
        names = (("request", request_id.get()), ("run", run_id.get()))
        bound = "".join(f" {name}={value}" for name, value in names if value)
        message = visible(_message(record))
        line = f"{moment(record.created)} {record.levelname} {record.name}{bound}: {message}"
        trace = _trace(self, record)
        return line + "".join(_INDENT + visible(part) for part in trace.splitlines()) if trace else line


class JsonFormatter(logging.Formatter):
    """One object a line; `request`, `run` and `exception` where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        values: dict[str, object] = {
            "time": moment(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        more = {"request": request_id.get(), "run": run_id.get(), "exception": _trace(self, record)}
        return json_line(values | {name: value for name, value in more.items() if value})


class Handler(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at that moment."""

    def __init__(self, form: Form) -> None:
        super().__init__(sys.stderr)
        self.form = form
        self.setFormatter(JsonFormatter() if form == "json" else TextFormatter())


def configure(form: Form, level: str) -> None:
    """All logs of this process, those of libraries too, go to standard error in this form from now on."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(Handler(form))
    root.setLevel(level)
    # It tells of its plugins at every import; the migration itself is told by the command.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def form() -> Form:
    """The form that this process logs in."""
    found = (handler.form for handler in logging.getLogger().handlers if isinstance(handler, Handler))
    return next(found, "text")


def arguments() -> list[str]:
    """What a child process hands to `configure`, as words of its command line."""
    return [form(), logging.getLevelName(logging.getLogger().level)]


def configure_from(words: list[str]) -> None:
    """`configure` in a child process, with the words of `arguments`."""
    configure("json" if words[:1] == ["json"] else "text", words[1] if len(words) > 1 else "INFO")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        # A library's own slip, which must not cost the line.
        return f"{record.msg} {record.args}"


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
    return "\n".join([*parts, *([record.stack_info] if record.stack_info else [])])


def _written_out(found: re.Match[str]) -> str:
    sign = found[0]
    return _SHORT.get(sign) or (f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}")


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _LOG.critical("the process ends by a failure that nothing caught", exc_info=(kind, error, trace))


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    about = (what.exc_type, what.exc_value, what.exc_traceback) if what.exc_value is not None else None
    _LOG.error("%s", what.err_msg or "a failure that could not be passed on", exc_info=about)


def _uncaught_in_thread(what: threading.ExceptHookArgs) -> None:
    if what.exc_value is None or issubclass(what.exc_type, SystemExit):
        return
    name = what.thread.name if what.thread is not None else "unknown"
    _LOG.critical("thread %s ends", name, exc_info=(what.exc_type, what.exc_value, what.exc_traceback))
