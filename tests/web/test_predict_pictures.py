"""Predicting pictures: a file, a form of several, an array and JSON numbers give the same pixels the same bits."""

import io
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.answers import expect_problem, strict_json
from tests.service import EXAMPLES, Service, accepted
from tests.web.predictions import answers, npy_of

Json = dict[str, Any]
pytestmark = pytest.mark.usefixtures("pictures_run")
PATH = "/api/v1/models/pictures/predict"
SIDE = 64
NAMES = ("dahlia", "pagoda", "trees")


def pixels(name: str) -> NDArray[np.uint8]:
    """A held-out picture, made as large as the network's input, so that nothing resizes it: uint8 [64, 64, 3]."""
    with Image.open(EXAMPLES / "held-out" / f"{name}.jpg") as image:
        return np.array(image.convert("RGB").resize((SIDE, SIDE)), np.uint8)


def png(array: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def alone(api: httpx.Client) -> list[Json]:
    """Each picture sent as a PNG file by itself."""
    return [answers(api, png(pixels(name)), "image/png", "pictures")[0] for name in NAMES]


def test_held_out_pictures_are_told_apart(api: httpx.Client) -> None:
    for name in NAMES:
        body = (EXAMPLES / "held-out" / f"{name}.jpg").read_bytes()
        [answer] = answers(api, body, "image/jpeg", "pictures")
        assert answer["label"] == name


def test_several_pictures_in_a_form_are_answered_in_their_order(api: httpx.Client, alone: list[Json]) -> None:
    files = [("file", (f"{name}.png", png(pixels(name)), "image/png")) for name in NAMES]
    assert accepted(api.post(PATH, files=files))["predictions"] == alone
    assert accepted(api.post(PATH, files=files[::-1]))["predictions"] == alone[::-1]
    named = {f"picture{index}": (name, png(pixels(name))) for index, name in enumerate(NAMES)}
    assert accepted(api.post(PATH, files=named))["predictions"] == alone


def test_arrays_of_bytes_and_of_floats_give_the_bits_of_the_files(api: httpx.Client, alone: list[Json]) -> None:
    stack = np.stack([pixels(name) for name in NAMES])
    assert answers(api, npy_of(stack), "application/x-npy", "pictures") == alone
    scaled = (stack / np.float32(255)).astype(np.float32)
    assert answers(api, npy_of(scaled), "application/x-npy", "pictures") == alone
    assert answers(api, npy_of(scaled.reshape(3, -1)), "application/x-npy", "pictures") == alone
    assert answers(api, npy_of(np.asfortranarray(stack)), "application/x-npy", "pictures") == alone
    assert answers(api, npy_of(scaled.astype(">f4")), "application/x-npy", "pictures") == alone


def test_json_numbers_give_the_bits_of_the_files(api: httpx.Client, alone: list[Json]) -> None:
    scaled = [(pixels(name) / np.float32(255)).astype(np.float32) for name in NAMES]
    assert answers(api, {"instances": [picture.tolist() for picture in scaled]}, model="pictures") == alone
    assert answers(api, {"instances": [picture.ravel().tolist() for picture in scaled]}, model="pictures") == alone


def test_pictures_of_any_size_are_made_to_fit(api: httpx.Client) -> None:
    with Image.open(EXAMPLES / "held-out" / "trees.jpg") as image:
        for size in ((10, 10), (300, 200), (48, 48)):
            [answer] = answers(api, png(np.array(image.resize(size), np.uint8)), "image/png", "pictures")
            assert answer["label"] in NAMES


def test_an_array_of_another_size_is_refused(api: httpx.Client) -> None:
    for shape in ((1, 32, 32, 3), (1, 3, 64, 64), (1, 100), (64, 64), (1, 64, 64, 1)):
        body = npy_of(np.zeros(shape, np.float32))
        answer = api.post(PATH, content=body, headers={"Content-Type": "application/x-npy"})
        expect_problem(answer, 422)


def test_floats_that_are_no_pictures_are_refused(api: httpx.Client) -> None:
    for value in (np.nan, np.inf, -0.5, 255.0):
        body = npy_of(np.full((1, SIDE, SIDE, 3), value, np.float32))
        expect_problem(api.post(PATH, content=body, headers={"Content-Type": "application/x-npy"}), 422)


def test_rows_are_not_pictures_and_pictures_are_not_rows(api: httpx.Client, penguins_run: Json) -> None:
    picture = png(pixels("trees"))
    table = "/api/v1/models/palmer/predict"
    expect_problem(api.post(table, content=picture, headers={"Content-Type": "image/png"}), 422, "kind_mismatch")
    expect_problem(api.post(table, files={"file": ("x.png", picture)}), 422, "kind_mismatch")
    expect_problem(api.post(PATH, content="a,b\n1,2\n", headers={"Content-Type": "text/csv"}), 422, "kind_mismatch")
    expect_problem(api.post(PATH, json={"instances": [{"picture": "x"}]}), 422)


def test_a_form_without_pictures_is_refused(api: httpx.Client) -> None:
    expect_problem(api.post(PATH, files={"file": (None, "text")}), (400, 422))
    expect_problem(api.post(PATH, files={"file": ("x.png", b"not a picture")}), 422)
    expect_problem(api.post(PATH, files={"file": ("x.png", b"")}), 422)


def test_a_form_takes_the_options_of_its_query(api: httpx.Client) -> None:
    answer = api.post(PATH, files={"file": ("x.png", png(pixels("trees")))}, params={"probabilities": "false"})
    assert set(strict_json(answer)["predictions"][0]) == {"label", "probability"}


@pytest.mark.parametrize(
    ("shape", "accepted_shape"), [(None, [48, 48, 3]), ([3072], [3072]), ([20, 30, 3], [20, 30, 3])]
)
def test_the_input_shape_is_open_square_or_given(
    api: httpx.Client, pictures: Json, shape: list[int] | None, accepted_shape: list[int]
) -> None:
    layers = [{"type": "flatten"}, {"type": "dense"}]
    spec = {"layers": layers} if shape is None else {"input_shape": shape, "layers": layers}
    body = {"dataset": pictures["id"], "network": spec}
    assert accepted(api.post("/api/v1/runs/check", json=body))["input_shape"] == accepted_shape


@pytest.mark.parametrize("shape", [[100], [3073], [48, 48], [48, 48, 1], [3, 48, 48]])
def test_an_input_shape_that_fits_no_picture_is_refused(api: httpx.Client, pictures: Json, shape: list[int]) -> None:
    spec = {"input_shape": shape, "layers": [{"type": "flatten"}, {"type": "dense"}]}
    answer = api.post("/api/v1/runs/check", json={"dataset": pictures["id"], "network": spec})
    document = expect_problem(answer, 422)
    assert document["errors"][0]["pointer"] == "/network/input_shape"


def test_a_network_of_the_wrong_classes_is_refused(service: Service, api: httpx.Client, pictures: Json) -> None:
    spec = {"layers": [{"type": "flatten"}, {"type": "dense", "units": 10, "activation": "softmax"}]}
    for path in ("runs", "runs/check"):
        document = expect_problem(
            api.post(f"/api/v1/{path}", json={"dataset": pictures["id"], "network": spec}), 422, "class_count_mismatch"
        )
        assert document["errors"][0]["pointer"] == "/network/layers/1/units"
