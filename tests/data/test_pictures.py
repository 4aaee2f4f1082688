"""Pictures as network input, and the shape a network gets."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.data.features import fit
from app.domain.data.pictures import PictureEncoder, array_pictures, center_features, sized_pictures
from app.domain.data.preprocessing import PictureInput, Preprocessing
from app.domain.data.schema import Kind
from app.domain.data.stored import encode_columns
from app.domain.network.spec import NetworkSpec
from app.domain.plan.inputs import input_shape_for
from app.errors import InvalidNetwork, InvalidRows
from tests.data.tables import penguins, pictures

NO_SHAPES = np.empty((0, 2), np.int32)
IMAGES = [np.random.Generator(np.random.PCG64(i)).integers(0, 256, (6, 6, 3), dtype=np.uint8) for i in range(3)]


def spec(*kinds: str, input_shape: list[int] | None = None) -> NetworkSpec:
    forms: dict[str, dict[str, object]] = {
        "dense": {"type": "dense", "units": 3},
        "dropout": {"type": "dropout", "rate": 0.5},
        "noise": {"type": "gaussian_noise", "stddev": 0.1},
        "norm": {"type": "batch_normalization"},
        "flatten": {"type": "flatten"},
    }
    shape = {} if input_shape is None else {"input_shape": input_shape}
    return NetworkSpec.model_validate({"layers": [forms[kind] for kind in kinds], **shape})


def uncentred(preprocessing: Preprocessing) -> Preprocessing:
    """The same pictures on the scale 0–1, for tests that look at single pixels."""
    assert preprocessing.picture is not None
    place = preprocessing.picture.model_copy(update={"center": (0.0, 0.0, 0.0)})
    return preprocessing.model_copy(update={"picture": place})


def features_of(place: PictureInput, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> NDArray[np.float32]:
    """What a network gets of an array that was sent."""
    return PictureEncoder(place).encode(array_pictures(place, array))


def test_pixels_are_divided_by_255_to_the_nearest_float32() -> None:
    columns = pictures(IMAGES, ["a", "b", "a"])
    features = encode_columns(uncentred(fit(columns, np.arange(3), (6, 6, 3))), columns, np.arange(3))
    assert features.shape == (3, 6, 6, 3)
    assert np.array_equal(features, (np.stack(IMAGES) / 255).astype(np.float32))


@pytest.mark.parametrize("shape", [(6, 6, 3), (108,)])
def test_each_channel_is_centred_by_its_mean_among_the_training_pictures_alone(shape: tuple[int, ...]) -> None:
    columns = pictures(IMAGES, ["a", "b", "a"])
    preprocessing = fit(columns, np.arange(2), shape)
    assert preprocessing.picture is not None
    expected = np.stack(IMAGES[:2]).mean(axis=(0, 1, 2)) / 255
    assert preprocessing.picture.center == pytest.approx(expected, abs=1e-12)
    centred = encode_columns(preprocessing, columns, np.arange(2)).reshape(-1, 3)
    assert centred.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-6)
    scaled = encode_columns(uncentred(preprocessing), columns, np.arange(2))
    assert np.array_equal(scaled - center_features(preprocessing.picture), centred.reshape(scaled.shape))


def test_a_flat_input_is_the_same_picture_row_major() -> None:
    columns = pictures(IMAGES, ["a", "b", "a"])
    flat = encode_columns(fit(columns, np.arange(3), (108,)), columns, np.arange(3))
    deep = encode_columns(fit(columns, np.arange(3), (6, 6, 3)), columns, np.arange(3))
    assert np.array_equal(flat, deep.reshape(3, -1))


def test_a_flat_array_of_bytes_is_the_same_pictures() -> None:
    place = PictureInput(height=6, width=6, flat=True, center=(0.5, 0.4, 0.3))
    whole = np.stack(IMAGES)
    assert np.array_equal(features_of(place, whole.reshape(3, -1)), features_of(place, whole))


def test_an_array_of_pictures_is_pictures() -> None:
    columns, array = (pictures(IMAGES, ["a", "b", "a"], kind) for kind in (Kind.PICTURES, Kind.ARRAY))
    preprocessing = fit(array, np.arange(3), input_shape_for(spec("dense"), array.schema, array.shapes))
    assert preprocessing.input_shape == (108,)
    features, same = (encode_columns(preprocessing, each, np.arange(3)) for each in (array, columns))
    assert np.array_equal(features, same)


def test_pictures_of_any_size_are_resized_height_first() -> None:
    left_dark = np.zeros((10, 20, 3), np.uint8)
    left_dark[:, 10:] = 255
    columns = pictures([left_dark, IMAGES[0]], ["a", "b"])
    features = encode_columns(uncentred(fit(columns, np.arange(2), (2, 4, 3))), columns, np.arange(2))
    assert features.shape == (2, 2, 4, 3)
    assert (features[0, :, 0] < 0.01).all()
    assert (features[0, :, 3] > 0.99).all()


def test_shrinking_weighs_every_pixel_in() -> None:
    checks = np.indices((8, 8)).sum(axis=0) % 2 * 255
    image = np.repeat(checks[:, :, None], 3, axis=2).astype(np.uint8)
    columns = pictures([image], ["a"])
    features = encode_columns(uncentred(fit(columns, np.arange(1), (1, 1, 3))), columns, np.arange(1))
    assert features.ravel().tolist() == pytest.approx([0.5] * 3, abs=0.01)


@pytest.mark.parametrize(
    ("kinds", "given", "sizes", "expected"),
    [
        (("dense",), None, [[32, 32], [32, 32]], (3072,)),
        (("dropout", "noise", "dense"), None, [[32, 32]], (3072,)),
        (("flatten", "dense"), None, [[48, 32], [48, 32]], (48, 32, 3)),
        (("norm", "flatten", "dense"), None, [[48, 32], [32, 48]], (64, 64, 3)),
        (("dense",), None, [[48, 32], [48, 32]], (12288,)),
        (("dense",), [12288], [[5, 5]], (12288,)),
        (("flatten", "dense"), [7, 9, 3], [[5, 5]], (7, 9, 3)),
    ],
)
def test_a_network_on_pictures_gets(
    kinds: tuple[str, ...], given: list[int] | None, sizes: list[list[int]], expected: tuple[int, ...]
) -> None:
    schema = pictures(IMAGES, ["a", "b", "a"]).schema
    assert input_shape_for(spec(*kinds, input_shape=given), schema, np.array(sizes, np.int32)) == expected


@pytest.mark.parametrize(
    ("given", "code"),
    [([100], "input_shape_invalid"), ([8, 8], "input_shape_mismatch"), ([8, 8, 1], "input_shape_mismatch")],
)
def test_an_input_shape_that_no_picture_has_is_refused(given: list[int], code: str) -> None:
    schema = pictures(IMAGES, ["a", "b", "a"]).schema
    with pytest.raises(InvalidNetwork) as caught:
        input_shape_for(spec("flatten", "dense", input_shape=given), schema, NO_SHAPES)
    assert caught.value.code == code


def test_a_network_on_a_table_gets_the_encoded_width_and_a_different_one_is_refused_naming_both() -> None:
    schema = penguins().schema
    assert input_shape_for(spec("dense"), schema, NO_SHAPES, 12) == (12,)
    assert input_shape_for(spec("dense", input_shape=[12]), schema, NO_SHAPES, 12) == (12,)
    with pytest.raises(InvalidNetwork, match=r"\[13\].*12 values") as caught:
        input_shape_for(spec("dense", input_shape=[13]), schema, NO_SHAPES, 12)
    assert caught.value.code == "input_shape_mismatch"


@pytest.mark.parametrize("shape", [(6, 6, 3), (4, 9, 3), (75,)])
def test_a_picture_sent_is_the_picture_stored_bit_for_bit(shape: tuple[int, ...]) -> None:
    columns = pictures(IMAGES, ["a", "b", "a"])
    preprocessing = fit(columns, np.arange(3), shape)
    assert preprocessing.picture is not None
    stored = encode_columns(preprocessing, columns, np.arange(3))
    assert stored.shape[1:] == preprocessing.input_shape == shape
    sent = sized_pictures(preprocessing.picture, IMAGES)
    assert PictureEncoder(preprocessing.picture).encode(sent).tobytes() == stored.tobytes()
    assert features_of(preprocessing.picture, np.stack(IMAGES)).tobytes() == stored.tobytes()
    scaled = encode_columns(uncentred(preprocessing), columns, np.arange(3))
    assert features_of(preprocessing.picture, scaled).tobytes() == stored.tobytes()


def test_a_float_array_may_stay_whole_for_a_flat_input() -> None:
    place = PictureInput(height=2, width=2, flat=True)
    whole = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 2, 2, 3)
    assert np.array_equal(features_of(place, whole), whole.reshape(2, 12))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((1, 3, 2, 3), np.float32), r"float32 \[n, 2, 2, 3\] of 0–1; received float32 \[1, 3, 2, 3\]"),
        (np.zeros((0, 2, 2, 3), np.uint8), "received uint8"),
        (np.zeros((1, 2, 2, 4), np.uint8), "received uint8"),
        (np.zeros((2, 2, 3), np.uint8), "received uint8"),
        (np.zeros((1, 2, 2, 3), np.int64), "received int64"),
        (np.zeros((), np.float32), "received float32"),
        (np.full((1, 2, 2, 3), np.nan), "/rows/0/0/0/0 must lie between 0 and 1"),
        (np.full((1, 2, 2, 3), 1e39), "must lie between 0 and 1"),
        (np.full((1, 2, 2, 3), 200.0, np.float32), "for 0 to 255 send uint8"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(
    array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], message: str
) -> None:
    with pytest.raises(InvalidRows, match=message):
        array_pictures(PictureInput(height=2, width=2, flat=False), array)
