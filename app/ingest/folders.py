"""A zip archive of pictures, one folder for each class."""

import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from app.domain.data.schema import ColumnType, DatasetSchema, Kind, ReadRequest
from app.errors import FieldError, InvalidDataset, shown
from app.ingest.archives import contents, opened
from app.ingest.faults import pointer
from app.ingest.limits import Limits
from app.ingest.pictures import decode
from app.ingest.pixels import PICTURE, PictureWriter, check_request
from app.ingest.table import Field, Texts

TARGET = "class"
_ENDINGS = frozenset({".png", ".jpg", ".jpeg"})
_PASSED_OVER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_AT_ONCE = 8
_THREADS = 2


def read_folders(source: Path, output: Path, request: ReadRequest, limits: Limits) -> DatasetSchema:
    """Read an archive of pictures into `output`; a class is named as its folder. Raises InvalidDataset, TooLarge."""
    check_request(request, TARGET)
    if request.task == "regression":
        message = "A zip archive of pictures has classes, its folders; regression needs numbers."
        raise InvalidDataset(message, errors=(FieldError("/task", message, "regression"),))
    target = Field(TARGET, ColumnType.CATEGORICAL)
    with opened(source, limits) as archive, PictureWriter(output, target, limits) as writer:
        found = pictures(archive.infolist())
        classes = list(dict.fromkeys(label for _, label in found))
        codes = {label: code for code, label in enumerate(classes)}
        labels = np.array([codes[label] for _, label in found], np.int32)
        stored = 0
        for batch in _decoded(archive, [entry for entry, _ in found], limits):
            writer.add(batch, Texts(labels[stored : stored + len(batch)], list(classes)))
            stored += len(batch)
        return writer.schema(Kind.PICTURES)


def pictures(entries: list[zipfile.ZipInfo]) -> list[tuple[zipfile.ZipInfo, str]]:
    """The pictures among the entries, in the archive's order, each with its class. Raises InvalidDataset."""
    paths = [(entry, PurePosixPath(entry.filename)) for entry in entries if not _is_passed_over(entry)]
    for entry, path in paths:
        if path.suffix.lower() not in _ENDINGS:
            raise _misplaced(entry, "it is neither .png nor .jpg")
    depths = {len(path.parts) for _, path in paths}
    around = len({path.parts[0] for _, path in paths}) == 1 and depths == {3}
    for entry, path in paths:
        if len(path.parts) != (3 if around else 2):
            raise _misplaced(entry, "pictures lie in one folder for each class, with one folder around them at most")
    return [(entry, path.parts[-2]) for entry, path in paths]


def _is_passed_over(entry: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(entry.filename).parts
    return entry.is_dir() or any(part.startswith(".") or part.lower() in _PASSED_OVER for part in parts)


def _misplaced(entry: zipfile.ZipInfo, why: str) -> InvalidDataset:
    return InvalidDataset(f"The zip archive's file '{shown(entry.filename)}' is refused: {why}.")


def _decoded(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: Limits
) -> Iterator[list[NDArray[np.uint8]]]:
    """The entries' pictures, batch after batch."""
    row = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(entries), _AT_ONCE):
            batch = entries[start : start + _AT_ONCE]
            files = (contents(archive, entry, limits.picture_bytes) for entry in batch)
            ready: list[NDArray[np.uint8]] = []
            results = pool.map(decode, files)
            for entry in batch:
                row += 1
                try:
                    ready.append(next(results))
                except InvalidDataset as error:
                    if error.code != "picture_invalid":
                        raise
                    raise _broken(row, entry, error) from None
            yield ready


def _broken(row: int, entry: zipfile.ZipInfo, error: InvalidDataset) -> InvalidDataset:
    name = shown(entry.filename)
    return InvalidDataset(
        f"'{name}': {error.detail}",
        code=error.code,
        errors=(FieldError(pointer("rows", row, PICTURE), error.detail, name),),
    )
