"""What serving keeps in memory is bounded, and never goes back in time."""

from app.serving.readings import Readings


def test_of_two_reads_that_cross_the_one_begun_later_stays() -> None:
    kept: Readings[str, str] = Readings(10)
    older, newer = kept.begin(), kept.begin()
    kept.keep("name", "new", newer)
    kept.keep("name", "old", older)
    assert kept.get("name") == "new"


def test_what_was_read_before_a_drop_does_not_come_back() -> None:
    kept: Readings[str, str] = Readings(10)
    older = kept.begin()
    kept.drop("name")
    kept.keep("name", "deleted", older)
    assert kept.get("name") is None
    kept.keep("name", "made anew", kept.begin())
    assert kept.get("name") == "made anew"


def test_the_one_kept_longest_makes_room() -> None:
    kept: Readings[int, int] = Readings(3)
    for number in range(5):
        kept.keep(number, number, kept.begin())
    assert kept.known() == [2, 3, 4]
    kept.keep(2, 20, kept.begin())
    assert [kept.get(number) for number in kept.known()] == [20, 3, 4]
