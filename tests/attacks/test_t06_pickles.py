"""T06: a pickle that would touch a file, under every name and type it could come by. Refused, and not run."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.answers import expect_problem
from tests.attacks.uploads import send


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self._canary}",)


def npy(canary: Path) -> bytes:
    """An object array, which NumPy stores as a pickle."""
    buffer = io.BytesIO()
    array = np.empty(2, object)
    array[:] = [Payload(canary), Payload(canary)]
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def plain(canary: Path, protocol: int) -> bytes:
    return pickle.dumps(Payload(canary), protocol)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def test_the_payload_is_a_real_one(canary: Path) -> None:
    pickle.loads(plain(canary, 4))
    assert canary.exists()


@pytest.mark.parametrize("protocol", [0, 5])
@pytest.mark.parametrize(
    "filename", ["x.csv", "x.tsv", "x.csv.gz", "x.parquet", "x.npz", "x.zip", "x.pkl", "x.pt", "x.npy", "x.joblib"]
)
def test_a_pickle_is_no_dataset(api: httpx.Client, canary: Path, filename: str, protocol: int) -> None:
    expect_problem(send(api, plain(canary, protocol), filename), (400, 415, 422))
    assert not canary.exists()


@pytest.mark.parametrize("kind", ["objects x", "objects y", "pickle x", "torch", "joined"])
def test_a_pickle_within_an_archive_is_no_dataset(api: httpx.Client, canary: Path, kind: str) -> None:
    honest = io.BytesIO()
    np.save(honest, np.arange(8, dtype=np.float32).reshape(4, 2))
    contents = {
        "objects x": zipped(**{"x.npy": npy(canary), "y.npy": honest.getvalue()}),
        "objects y": zipped(**{"x.npy": honest.getvalue(), "y.npy": npy(canary)}),
        "pickle x": zipped(**{"x.npy": plain(canary, 4), "y.npy": honest.getvalue()}),
        "torch": zipped(**{"archive__data.pkl": plain(canary, 2), "archive__version": b"3\n"}),
        "joined": zipped(**{"a__x.png": plain(canary, 4), "b__x.png": plain(canary, 4)}),
    }
    for filename in ("x.npz", "x.zip"):
        expect_problem(send(api, contents[kind], filename), 422)
    assert not canary.exists()


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.bentoml+pickle",
        "application/octet-stream",
        "application/x-pickle",
        "application/python-pickle",
        "application/x-torch",
        "application/x-npy",
        "application/json",
        "text/csv",
        "image/png",
        "multipart/form-data; boundary=x",
        "",
    ],
)
def test_a_pickle_is_no_request_for_a_prediction(
    api: httpx.Client, penguins_run: object, pictures_run: object, canary: Path, media_type: str
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    for model in ("palmer", "pictures"):
        for content in (plain(canary, 0), plain(canary, 4), npy(canary)):
            answer = api.post(f"/api/v1/models/{model}/predict", content=content, headers=headers)
            expect_problem(answer, (400, 415, 422))
    assert not canary.exists()


@pytest.mark.parametrize(
    "media_type", ["application/vnd.bentoml+pickle", "application/octet-stream", "application/x-pickle"]
)
@pytest.mark.parametrize("path", ["datasets", "networks", "runs", "networks/check", "runs/check"])
def test_a_pickle_is_no_body_of_anything_else(api: httpx.Client, canary: Path, path: str, media_type: str) -> None:
    expect_problem(api.post(f"/api/v1/{path}", content=plain(canary, 4), headers={"Content-Type": media_type}), 415)
    assert not canary.exists()
