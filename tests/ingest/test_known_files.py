"""Files that everyone knows, where they are at hand."""

import gzip

import numpy as np
import pytest

from app.domain.data.schema import ColumnRequest, ColumnType, Kind
from tests.ingest.conftest import SHARED, Taker

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the files are not here")


def test_penguins(take: Taker) -> None:
    taken = take(
        (SHARED / "penguins.csv").read_bytes(), target="species", columns={"year": ColumnRequest(role="ignore")}
    )
    assert taken.schema.rows == 344
    assert taken.schema.classes == ("Adelie", "Chinstrap", "Gentoo")
    assert taken.schema.target.counts == (152, 68, 124)
    assert taken.feature("sex").missing == 11
    assert taken.feature("island").categories == ("Biscoe", "Dream", "Torgersen")
    mass = taken.feature("body_mass_g")
    assert (mass.minimum, mass.maximum, mass.missing) == (2700.0, 6300.0, 2)
    assert mass.mean == pytest.approx(4201.754385964912, rel=1e-14)
    assert taken.codes == []


def test_adult(take: Taker) -> None:
    data = (SHARED / "adult.csv.gz").read_bytes()
    taken = take(data, "adult.csv.gz")
    assert taken.schema.rows == 32_561
    assert taken.schema.classes == ("<=50K", ">50K")
    assert taken.schema.target.counts == (24_720, 7_841)
    assert "" not in taken.names
    assert taken.codes == ["index_left_out"]
    assert taken.feature("workclass").missing == 1_836
    assert "State-gov" in taken.feature("workclass").categories
    plain = take(gzip.decompress(data), "adult.csv")
    assert plain.schema == taken.schema
    np.testing.assert_array_equal(plain.columns.numbers, taken.columns.numbers)


def test_pictures(take: Taker) -> None:
    taken = take((SHARED / "pictures-train.zip").read_bytes(), "pictures-train.zip")
    assert (taken.schema.kind, taken.schema.rows) == (Kind.PICTURES, 3_000)
    assert taken.schema.classes == ("automobile", "frog", "ship")
    assert taken.schema.target.counts == (1_000, 1_000, 1_000)
    assert taken.schema.features[0].type is ColumnType.PICTURE
    assert set(map(tuple, taken.columns.shapes.tolist())) == {(32, 32)}
