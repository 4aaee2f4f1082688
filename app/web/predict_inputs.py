"""The bodies that a prediction takes: JSON rows, CSV, pictures, arrays. Each becomes a question for a predictor."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from app.errors import InvalidRows, Malformed, TooLarge, UnsupportedType, shown
from app.ingest.pictures import declared_pixels, decode, decode_small
from app.serving.predictor import Predictor, Question
from app.web.context import Limits
from app.web.npy import read_npy
from app.web.predict_json import read_json_rows
from app.web.predict_options import Options
from app.web.sizes import check_size

ACCEPTED = (
    "application/json, text/csv, application/vnd.apache.parquet, image/png, image/jpeg, multipart/form-data, "
    "application/x-npy"
)
MAX_PICTURES = 256
MAX_PIXELS = 150_000_000
"""Of all pictures of a form: some seconds of decoding."""

SMALL_PICTURE_BYTES = 64 << 10
SMALL_BYTES = {
    "application/json": 32 << 10,
    "text/csv": 8 << 10,
    "image/png": SMALL_PICTURE_BYTES,
    "image/jpeg": SMALL_PICTURE_BYTES,
    "application/x-npy": 1 << 20,
}
"""Of bodies that are read without a thread, which would cost more than it saves."""
SMALL_PIXELS = 40_000


@dataclass(slots=True)
class Sent:
    """A body that was received whole (or the pictures of a form), and how it is to be answered."""

    media_type: str
    body: bytes
    pictures: list[bytes]
    options: Options


def is_small(sent: Sent) -> bool:
    """Whether reading it takes a millisecond or two at the most."""
    most = SMALL_BYTES.get(sent.media_type, 0)
    if len(sent.body) > most:
        return False
    return not sent.media_type.startswith("image/") or declared_pixels(sent.body) <= SMALL_PIXELS


def read(predictor: Predictor, sent: Sent, limits: Limits) -> tuple[Question, Options]:
    """Reads a body as its media type says. Raises what a client can get wrong."""
    if sent.media_type == "application/json":
        return read_json_rows(predictor, sent.body, sent.options, limits)
    readers: dict[str, Callable[[Predictor, Sent, Limits], Question]] = {
        "text/csv": _csv,
        "image/png": _picture,
        "image/jpeg": _picture,
        "application/x-npy": _array,
        "multipart/form-data": _form,
    }
    reader = readers.get(sent.media_type)
    if reader is None:
        raise UnsupportedType(f"send one of {ACCEPTED}; received {shown(sent.media_type) or 'no Content-Type'}")
    return reader(predictor, sent, limits), sent.options


async def pictures_of_form(request: Request) -> list[bytes]:
    """The pictures of a multipart form, in their order. Raises `InvalidRows` for anything else in it."""
    try:
        async with request.form(max_files=MAX_PICTURES, max_fields=0) as form:
            files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
            pictures = [await file.read() for file in files]
    except MultiPartException as error:
        raise Malformed(f"the form cannot be read: {shown(error.message)}") from None
    if not pictures:
        raise InvalidRows("the form has no picture", code="instances_empty")
    return pictures


def _csv(predictor: Predictor, sent: Sent, limits: Limits) -> Question:
    if predictor.takes_pictures:
        raise InvalidRows("the model takes pictures, not rows of a table", code="kind_mismatch")
    try:
        text = sent.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8: byte {error.start} is wrong") from None
    # Lines may end in carriage returns alone.
    check_size(max(text.count("\n"), text.count("\r")) - 1, predictor, limits)
    return Question(raw=predictor.reader.of_csv(text))


def _picture(predictor: Predictor, sent: Sent, limits: Limits) -> Question:
    return question_of_files(predictor, [sent.body])


def _form(predictor: Predictor, sent: Sent, limits: Limits) -> Question:
    check_size(len(sent.pictures), predictor, limits)
    return question_of_files(predictor, sent.pictures)


def question_of_files(predictor: Predictor, files: list[bytes]) -> Question:
    """Decodes no more than is sure to be answered."""
    if not predictor.takes_pictures:
        raise InvalidRows("the model takes rows of a table, not pictures", code="kind_mismatch")
    if len(files) > 1 and (pixels := sum(map(declared_pixels, files))) > MAX_PIXELS:
        raise TooLarge(
            f"the pictures have {pixels:,} pixels together; {MAX_PIXELS:,} are allowed a call", code="too_many_pixels"
        )
    return predictor.of_pictures([decode(file) for file in files])


def question_of_small_file(predictor: Predictor, file: bytes) -> Question | None:
    """The question of a picture that `is_small`, opened but once; None for a larger one. Raises as `read` does."""
    if not predictor.takes_pictures or len(file) > SMALL_PICTURE_BYTES:
        return None
    picture = decode_small(file, SMALL_PIXELS)
    return None if picture is None else predictor.of_pictures([picture])


def _array(predictor: Predictor, sent: Sent, limits: Limits) -> Question:
    array = read_npy(sent.body)
    check_size(len(array) if array.ndim else 0, predictor, limits)
    return predictor.of_array(array)
