"""Moving an alias is never held up, and says what it could not compare; work that takes long has its bounds."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.assembly import context_of
from app.errors import Conflict, TooLarge, Unavailable
from app.serving import comparing, evaluating
from app.serving.comparing import Compared, NotCompared, compare_versions
from app.serving.evaluating import evaluate
from app.settings import load
from app.storage import models
from app.web import releasing
from app.web.context import Context
from app.web.release_views import MovedAliasView
from app.web.releasing import Alias, move
from app.web.schemas import AliasRequest
from app.web.threads import FewThreads
from tests.worker.answering import Answering
from tests.worker.conftest import flowers
from tests.worker.workplace import PROJECT, Workplace

ALIAS = Alias(PROJECT, "flowers", "live")


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    place = Workplace(tmp_path_factory.mktemp("releasing"))
    made = Answering(place, flowers())
    made.train(2)
    yield made
    place.database.close()


@pytest.fixture
def parts(answering: Answering) -> Iterator[Context]:
    """What routes work with, and the alias at version 1."""
    made = context_of(load({"DROPNORM_DATA_DIR": str(answering.place.data_dir)}))
    set_to(answering, 1)
    yield made
    made.database.close()


def set_to(answering: Answering, number: int) -> None:
    with answering.place.database.write() as session:
        models.set_alias(session, models.get(session, PROJECT, "flowers"), "live", number)


def named(answering: Answering) -> int:
    with answering.place.database.read() as session:
        return models.aliases(session, models.get(session, PROJECT, "flowers"))["live"]


def moved(parts: Context, number: int, **more: bool) -> MovedAliasView:
    return asyncio.run(move(parts, ALIAS, AliasRequest(version=number, **more)))


def compared(parts: Context) -> Compared | NotCompared:
    first, second = (parts.catalogue.learn(PROJECT, "flowers", version=number) for number in (1, 2))
    return compare_versions(parts.database, parts.blobs, parts.registry, first, second)


def test_who_has_to_go_back_does_not_wait_for_others(parts: Context, answering: Answering) -> None:
    gate = threading.Event()

    async def crowded() -> list[Any]:
        waiting = [asyncio.create_task(parts.judging.run(gate.wait)) for _ in range(8)]
        await asyncio.sleep(0)
        view = await move(parts, ALIAS, AliasRequest(version=2))
        with pytest.raises(Unavailable) as caught:
            await move(parts, ALIAS, AliasRequest(version=1, only_if_not_worse=True))
        gate.set()
        await asyncio.gather(*waiting)
        return [view, caught.value.code]

    view, code = asyncio.run(crowded())
    assert (view.previous, view.comparison, view.reason.code, code) == (1, None, "too_busy", "too_busy")
    assert named(answering) == 2
    assert moved(parts, 1).comparison is not None


def test_an_alias_that_somebody_else_moved_meanwhile_is_told(
    parts: Context, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*given: Any) -> Compared | NotCompared:
        set_to(answering, 2)
        return compare_versions(*given)

    monkeypatch.setattr(releasing, "compare_versions", meanwhile)
    view = moved(parts, 2)
    assert (view.previous, view.comparison, view.reason and view.reason.code) == (2, None, "alias_moved")
    set_to(answering, 1)
    with pytest.raises(Conflict) as caught:
        moved(parts, 2, only_if_not_worse=True)
    assert (caught.value.code, named(answering)) == ("alias_moved", 2)


def test_many_rows_are_compared_on_some_that_are_spread_over_all(
    parts: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = compared(parts)
    assert isinstance(every, Compared)
    monkeypatch.setattr(comparing, "MOST_ROWS", 20)
    some = compared(parts)
    assert isinstance(some, Compared)
    assert (some.comparison.rows, sum(some.datasets.values())) == (20, 20)
    assert f"of {every.comparison.rows} such rows 20, spread evenly" in some.on


def test_what_cannot_be_compared_is_told_and_the_alias_moves(
    parts: Context, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "MOST_STORED_BYTES", 1)
    view = moved(parts, 2, only_if_not_worse=True)
    assert (view.comparison, view.reason and view.reason.code) == (None, "data_too_large")
    monkeypatch.undo()
    [numbers] = (answering.place.data_dir / answering.place.dataset(answering.trained_on).folder).glob("numbers.bin")
    content = numbers.read_bytes()
    numbers.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    view = moved(parts, 1)
    numbers.write_bytes(content)
    assert (view.comparison, view.reason and view.reason.code) == (None, "data_unreadable")
    assert view.reason is not None
    assert str(answering.place.data_dir) not in view.reason.message
    assert named(answering) == 1


@pytest.mark.parametrize("bound", ["MOST_WORK", "MOST_VALUES"])
def test_an_evaluation_that_would_take_too_long_is_refused(
    parts: Context, answering: Answering, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    served = parts.catalogue.learn(PROJECT, "flowers")
    given = (parts.database, parts.blobs, parts.registry, served, answering.dataset)
    assert evaluate(*given).rows == 302
    monkeypatch.setattr(evaluating, bound, 900)
    with pytest.raises(TooLarge) as caught:
        evaluate(*given)
    assert caught.value.code == "evaluation_too_large"


def test_few_threads_let_in_as_many_as_they_may_and_go_on_after_failures() -> None:
    few = FewThreads(1, "few", most=2)

    def fail() -> None:
        raise KeyError("x")

    async def asked() -> None:
        for _ in range(5):
            with pytest.raises(KeyError):
                await few.run(fail)
        gate = threading.Event()
        waiting = [asyncio.create_task(few.run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await few.run(fail)
        gate.set()
        assert await asyncio.gather(*waiting) == [True, True]
        assert await few.run(lambda: 7) == 7

    asyncio.run(asked())
