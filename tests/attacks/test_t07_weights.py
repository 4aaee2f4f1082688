"""T07: files of weights that hold a pickle, are cut short, flipped or another run's. Refused, and nothing is unpickled.

No loader that runs what it reads stands in the sources, so there is none to fall back to.
"""

import ast
import os
import pickle
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem
from tests.attacks.uploads import send
from tests.house.sources import dotted, modules
from tests.house.test_code import calls
from tests.service import Service

Json = dict[str, Any]
RUNS_WHAT_IT_READS = {
    "eval",
    "exec",
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "torch.load",
    "torch.jit.load",
    "joblib.load",
    "marshal.loads",
    "yaml.load",
}
SETTINGS = {("weights_only", False), ("allow_pickle", True)}


class Payload:
    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self._canary}",)


def raw(path: Path, canary: Path) -> None:
    """As torch wrote its files before they were archives."""
    path.write_bytes(pickle.dumps(Payload(canary), 2))


def archive(path: Path, canary: Path) -> None:
    """As torch writes them now."""
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("archive/data.pkl", pickle.dumps(Payload(canary), 2))
        packed.writestr("archive/version", b"3\n")


def cut(path: Path, canary: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flipped(path: Path, canary: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def of_another(path: Path, canary: Path) -> None:
    """A whole and honest file made by another run, of the same name where it has one, or else of the same kind."""
    others = [one for one in path.parents[2].glob(f"*/*/*{path.suffix}") if path.parents[1] not in one.parents]
    unequal = [one for one in others if one.read_bytes() != path.read_bytes()]
    shutil.copyfile(max(unequal, key=lambda one: one.name == path.name), path)


DAMAGES = [raw, archive, cut, flipped, of_another]


@pytest.fixture(scope="module")
def other(
    service: Service, penguins_run: Json, pictures_run: Json, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service on a copy of the data, of which it has no model in its memory."""
    folder = tmp_path_factory.mktemp("other")
    subprocess.run(["cp", "-R", str(service.data_dir), str(folder / "data")], check=True)
    with Service(folder, workers="0") as running:
        yield running


@pytest.fixture
def copied(service: Service, other: Service) -> Service:
    """The same with its files whole again."""
    shutil.rmtree(other.data_dir / "runs")
    subprocess.run(["cp", "-R", str(service.data_dir / "runs"), str(other.data_dir)], check=True)
    return other


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_is_not_the_file_that_was_recorded_is_not_read(
    copied: Service, penguins_run: Json, tmp_path: Path, damage: Callable[[Path, Path], None]
) -> None:
    canary = tmp_path / "canary"
    run, client = penguins_run["id"], copied.client
    files = sorted(path for path in copied.data_dir.glob(f"runs/{run}/*/*") if path.suffix in (".safetensors", ".onnx"))
    assert len(files) >= 2
    for path in files:
        damage(path, canary)
    for artifact in penguins_run["result"]["artifacts"]:
        if artifact["name"].endswith((".safetensors", ".onnx")):
            expect_problem(client.get(artifact["url"]), 500, "file_damaged")
    rows = {"instances": [{"year": 2007}]}
    expect_problem(client.post("/api/v1/models/palmer/predict", json=rows), 500, "file_damaged")
    expect_problem(client.post(f"/api/v1/runs/{run}/resume", json={"epochs": 9}), 409)
    assert client.get("/healthz").status_code == 200
    assert client.get(f"/api/v1/runs/{run}").status_code == 200
    assert not canary.exists()


@pytest.mark.parametrize("filename", ["x.pt", "x.pth", "x.bin", "x.ckpt", "x.pkl", "x.safetensors", "x.onnx", "x.h5"])
def test_weights_are_no_dataset(api: httpx.Client, tmp_path: Path, filename: str) -> None:
    canary = tmp_path / "canary"
    for damage in (raw, archive):
        damage(tmp_path / "weights", canary)
        expect_problem(send(api, (tmp_path / "weights").read_bytes(), filename), 415)
    assert not canary.exists()


def test_no_module_loads_what_could_run() -> None:
    for path, tree in modules():
        for call in calls(tree):
            name = dotted(call.func)
            assert name not in RUNS_WHAT_IT_READS, f"{name} in {path}"
            given = {(word.arg, word.value.value) for word in call.keywords if isinstance(word.value, ast.Constant)}
            assert not given & SETTINGS, f"{name} in {path}"
