"""Blocks of raw rows → answers in a file, told of as they come."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from app.bulk.blocks import RawBlock
from app.bulk.order import Bounds, Form, Order, Progress, Report
from app.bulk.writers import Format, writer_for
from app.domain.data.raw import RawRows, UnseenCounts, chunks
from app.errors import FieldError, InvalidRows, TooLarge
from app.serving.predictor import Answers, Predictor, Question

NOT_FINITE = "answer_not_finite"
Told = Callable[[Progress], None]


def answer_blocks(blocks: Iterator[RawBlock], predictor: Predictor, order: Order, output: BinaryIO, told: Told) -> None:
    """Answers all rows in the form that `order` asks for; the last that is `told` says so.

    Memory does not grow with the rows, but for the form `values`, which has bounds. Raises what `blocks` does,
    `InvalidRows` where an answer is not a finite number, and `TooLarge` beyond the bounds.
    """
    if order.form is Form.VALUES:
        _answer_whole(blocks, predictor, order, output, told)
        return
    writer = writer_for(Format(order.form), output, predictor.labels, probabilities=order.probabilities, top=order.top)
    progress = Progress()
    for block in blocks:
        for answers in answered(predictor, block.raw, progress.rows, calibrated=order.calibrated):
            writer.write(answers.values)
        # It is read from the file as soon as it is told of.
        output.flush()
        progress = Progress(read=block.read_bytes, rows=progress.rows + len(block.raw), written=output.tell())
        told(progress)
    writer.close()
    told(progress.model_copy(update={"written": output.tell(), "done": True}))


def answered(predictor: Predictor, raw: RawRows, rows_before: int, *, calibrated: bool) -> Iterator[Answers]:
    """The answers to raw rows, so many at a time that about a million values are in memory. Raises `InvalidRows`."""
    widest = max(predictor.inputs, predictor.outputs, raw.numbers.shape[1])
    for part in chunks(len(raw), widest):
        rows = RawRows(raw.numbers[part], raw.codes[part])
        try:
            yield predictor.answer(Question(raw=rows), calibrated=calibrated)
        except InvalidRows as error:
            raise _moved(error, rows_before + part.start) from None


def _answer_whole(blocks: Iterator[RawBlock], predictor: Predictor, order: Order, output: BinaryIO, told: Told) -> None:
    raw = _whole(blocks, order.bounds)
    answers = predictor.answer(Question(raw=raw), calibrated=order.calibrated)
    output.write(np.ascontiguousarray(answers.values).tobytes())
    output.flush()
    told(Progress(rows=len(raw), written=answers.values.nbytes, done=True, report=Report.of(answers.report)))


def _whole(blocks: Iterator[RawBlock], bounds: Bounds) -> RawRows:
    found: list[RawRows] = []
    unseen: UnseenCounts = {}
    rows = 0
    for block in blocks:
        rows += len(block.raw)
        if rows > bounds.rows:
            raise TooLarge(f"more than {bounds.rows} rows were sent for one JSON answer", code="too_many_rows")
        found.append(block.raw)
        for column, counts in block.raw.unseen.items():
            known = unseen.setdefault(column, {})
            for text, count in counts.items():
                known[text] = known.get(text, 0) + count
    numbers, codes = (np.concatenate([getattr(raw, name) for raw in found]) for name in ("numbers", "codes"))
    return RawRows(numbers, codes, unseen)


def _moved(error: InvalidRows, rows_before: int) -> InvalidRows:
    """The same failure, its row counted from the first one of all."""
    if error.code != NOT_FINITE:
        return error
    row = rows_before + int(error.errors[0].pointer.rpartition("/")[2])
    return InvalidRows(
        f"the network's answer to row {row} is not a finite number",
        code=NOT_FINITE,
        errors=(FieldError(f"/rows/{row}", error.errors[0].message),),
    )
