"""Tables read in blocks: what the reader of whole texts makes of them, cell for cell and refusal for refusal."""

import csv
import io
import random
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.bulk.blocks import csv_blocks
from app.domain.data.raw import RawRows
from app.domain.data.rows import RowReader
from app.errors import InvalidRows
from app.ingest.streams import Read
from tests.bulk.tables import CELLS, FITTED, NAMES, NASTY

ROWS = RowReader(FITTED)


def reading(content: bytes) -> Read:
    return io.BytesIO(content).read


def in_blocks(content: bytes, block_bytes: int) -> RawRows:
    """The rows of all blocks, one after the other."""
    found = [block.raw for block in csv_blocks(reading(content), FITTED, ROWS, block_bytes)]
    unseen: dict[str, dict[str, int]] = {}
    for raw in found:
        for name, counts in raw.unseen.items():
            known = unseen.setdefault(name, {})
            for text, count in counts.items():
                known[text] = known.get(text, 0) + count
    return RawRows(np.concatenate([raw.numbers for raw in found]), np.concatenate([raw.codes for raw in found]), unseen)


def outcome(read: Callable[[], RawRows]) -> tuple[object, ...]:
    """What was read, or how it was refused: by which word, and where."""
    try:
        raw = read()
    except InvalidRows as error:
        return error.code, error.errors[0].pointer, error.errors[0].message
    return raw.numbers.tobytes(), raw.codes.tobytes(), raw.unseen


def first_of(read: Callable[[], RawRows]) -> tuple[object, ...]:
    """What was read, or that it was refused: of several faults, blocks meet another first."""
    found = outcome(read)
    return found if isinstance(found[0], bytes) else ("refused",)


def table(seed: int, worst: tuple[str, ...] = ()) -> tuple[str, int]:
    """A table with a header, and the bytes of its longest row; `worst` are cells that most columns do not take."""
    chance = random.Random(seed)
    names = chance.sample([*NAMES, "species"], chance.randint(1, len(NAMES) + 1))
    names += [NAMES[0]] if names == ["species"] else []
    text, longest = io.StringIO(newline=""), 0
    ends = chance.choice(["\n", "\r\n", "\r"])
    writer = csv.writer(text, delimiter=chance.choice(",;\t|"), lineterminator=ends, quoting=chance.choice([0, 1]))
    for row in range(chance.randint(2, 12)):
        before = text.tell()
        writer.writerow([cell(chance, name, worst) for name in names] if row else names)
        longest = max(longest, len(text.getvalue()[before:].encode()))
        text.write(chance.choice(["", "", ends]))
    return text.getvalue(), longest


def cell(chance: random.Random, name: str, worst: tuple[str, ...]) -> str:
    known = chance.choice((*CELLS.get(name, ("Adelie", 'a "b"', "x\ny")), "", "NA", *worst))
    return chance.choice(["", "", " ", "\t ", "  "]) + known + chance.choice(["", "", " "])


SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.sampled_from([1, 5, 60, 1 << 20]))
def test_blocks_hold_what_the_whole_text_holds(seed: int, more: int) -> None:
    text, longest = table(seed)
    assert outcome(lambda: in_blocks(text.encode(), longest + more)) == outcome(lambda: ROWS.of_csv(text))


@given(SEEDS)
def test_what_cannot_be_read_is_refused_alike(seed: int) -> None:
    text, _ = table(seed, NASTY)
    assert outcome(lambda: in_blocks(text.encode(), 1 << 20)) == outcome(lambda: ROWS.of_csv(text))


@given(SEEDS, st.sampled_from([1, 30]))
def test_what_cannot_be_read_is_refused_in_whatever_block_it_stands(seed: int, more: int) -> None:
    text, longest = table(seed, NASTY)
    assert first_of(lambda: in_blocks(text.encode(), longest + more)) == first_of(lambda: ROWS.of_csv(text))


@given(st.text('ab,"\n\r ;1', max_size=60))
def test_broken_rows_are_refused_too(rows: str) -> None:
    text = "island,year\n" + rows
    assert first_of(lambda: in_blocks(text.encode(), 1 << 20)) == first_of(lambda: ROWS.of_csv(text))


@given(st.text('yearislnd,;|\t"\n\r ', max_size=40))
def test_strange_headers_are_refused_too(text: str) -> None:
    assert first_of(lambda: in_blocks(text.encode(), 1 << 20)) == first_of(lambda: ROWS.of_csv(text))
