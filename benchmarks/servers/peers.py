"""What users pick instead: each in a virtual environment of its own, with the code of its own documentation."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers.processes import Asked, Server, command
from benchmarks.serving_workloads import Request, Workload, of_json
from tests.service import HOME, free_port

CODE = Path(__file__).parent / "peer_code"
TORCH, TORCH_INDEX_URL = "torch==2.13.0", "https://download.pytorch.org/whl/cpu"
Line = Callable[[Path, Path, int], list[str]]
"""The command line for the environment's folder of programs, a folder for what it writes, and a port."""


def with_rows(path: str, name: str = "instances") -> Asked:
    """Rows as JSON under some name, where the workload is JSON."""

    def asked(work: Workload) -> Request | None:
        if work.values is None or work.request.headers["Content-Type"] != "application/json":
            return None
        sent = json.loads(work.request.body)["instances"]
        return of_json(path, {name: sent})

    return asked


def with_tensors(work: Workload) -> Request | None:
    """The Open Inference Protocol in JSON, for binary workloads too: MLServer 1.7 takes no other over REST."""
    if work.values is None:
        return None
    path = f"/v2/models/{work.model}/infer"
    data = [round(value, 8) for value in work.values.ravel().tolist()]
    described = {"name": "input", "shape": list(work.values.shape), "datatype": "FP32", "data": data}
    return of_json(path, {"inputs": [described]})


def _mlserver(programs: Path, folder: Path, port: int) -> list[str]:
    for model in ("row", "picture"):
        (folder / model).mkdir()
        settings = {"name": model, "implementation": "benchmarks.servers.peer_code.mlserver_model.Network"}
        (folder / model / "model-settings.json").write_text(json.dumps(settings))
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    served = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, **ports}
    (folder / "settings.json").write_text(json.dumps(served))
    return [str(programs / "mlserver"), "start", str(folder)]


def _mlflow(programs: Path, folder: Path, port: int) -> list[str]:
    model = folder / "model"
    save = [str(programs / "python"), str(CODE / "mlflow_model.py"), str(model)]
    subprocess.run(save, check=True, env=_environment(programs), cwd=folder, capture_output=True)
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return [str(programs / "mlflow"), "models", "serve", "-m", str(model), *options]


def _bentoml(programs: Path, folder: Path, port: int) -> list[str]:
    service = "benchmarks.servers.peer_code.bentoml_service:Network"
    return [str(programs / "bentoml"), "serve", service, "--host", "127.0.0.1", "--port", str(port)]


def _script(name: str) -> Line:
    return lambda programs, folder, port: [str(programs / "python"), str(CODE / name), str(port)]


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer: what is installed, how it is started, what it is asked, and which path says that it is ready."""

    title: str
    packages: tuple[str, ...]
    line: Line
    asked: Asked
    ready: str = "/"


PEERS = {
    # Of its own accord it would get a uvloop with which it does not start.
    "mlserver": Peer(
        "MLServer", ("mlserver==1.7.1", "uvloop<0.22"), _mlserver, with_tensors, ready="/v2/models/picture/ready"
    ),
    "litserve": Peer(
        "LitServe", ("litserve==0.2.19",), _script("litserve_server.py"), with_rows("/predict"), "/health"
    ),
    "bentoml": Peer("BentoML", ("bentoml==1.4.*",), _bentoml, with_rows("/predict"), "/readyz"),
    "mlflow": Peer("MLflow", ("mlflow==3.*",), _mlflow, with_rows("/invocations", "inputs"), "/ping"),
    "ray": Peer("Ray Serve", ("ray[serve]==2.*",), _script("ray_app.py"), with_rows("/predict"), "/-/healthz"),
}


def running(name: str, cache: Path, folder: Path, core: int | None) -> AbstractContextManager[Server]:
    """A peer that answers, in the environment that `cache` has for it or gets now; what it writes goes to `folder`."""
    peer, programs = PEERS[name], _programs(name, cache)
    folder.mkdir(parents=True)
    return command(
        peer.title,
        lambda port: peer.line(programs, folder, port),
        core,
        peer.asked,
        log=folder / "log",
        environment=_environment(programs),
        ready=peer.ready,
    )


def _environment(programs: Path) -> dict[str, str]:
    silent = {"BENTOML_DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0"}
    path = f"{programs}:{os.environ.get('PATH', '')}"
    return {**os.environ, **silent, "PATH": path, "PYTHONPATH": str(HOME), "OMP_NUM_THREADS": "1"}


def _programs(name: str, cache: Path) -> Path:
    home = cache / name
    programs, done = home / "bin", home / ".installed"
    if not done.exists():
        print(f"installing {PEERS[name].title} into {home}", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True)
        # The CPU build, unless a folder of wheels holds PyTorch: as the Makefile does it.
        held = any(list(Path(one).glob("torch-*.whl")) for one in os.environ.get("PIP_FIND_LINKS", "").split())
        index = [] if held else ["--extra-index-url", os.environ.get("TORCH_INDEX_URL", TORCH_INDEX_URL)]
        install = [str(programs / "python"), "-m", "pip", "install", "-q", *index, TORCH, *PEERS[name].packages]
        subprocess.run(install, check=True)
        done.touch()
    return programs
