"""An order carried out: the model read, the table read, its rows answered."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from app.bulk.answering import Told, answer_blocks
from app.bulk.blocks import RawBlock, csv_blocks
from app.bulk.order import OpenFile, Order, Source
from app.errors import Damaged
from app.serving.predictor import Predictor

_CHUNK_BYTES = 1 << 20


def carry_out(order: Order, given: BinaryIO, told: Told) -> None:
    """Answers the table that `given` brings. Raises what can be wrong with the table, the model or the disk."""
    predictor = Predictor(_content(order.preprocessing), _content(order.frozen))
    with os.fdopen(order.output, "wb") as output:
        answer_blocks(_blocks(order, given, predictor), predictor, order, output, told)


def _blocks(order: Order, given: BinaryIO, predictor: Predictor) -> Iterator[RawBlock]:
    if order.source is Source.CSV:
        return csv_blocks(given.read, predictor.preprocessing, predictor.reader)
    # A room of its own, for whose format half of the start would be spent.
    from app.bulk.parquet_rows import parquet_blocks

    # What is in a Parquet file is told at its end.
    with os.fdopen(order.work, "wb", closefd=False) as work:
        shutil.copyfileobj(given, work, _CHUNK_BYTES)
    return parquet_blocks(Path(f"/proc/self/fd/{order.work}"), predictor.preprocessing, predictor.reader)


def _content(file: OpenFile) -> bytes:
    with os.fdopen(file.descriptor, "rb") as stream:
        content = stream.read()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise Damaged("a stored file of the model does not have the digest that was recorded")
    return content
