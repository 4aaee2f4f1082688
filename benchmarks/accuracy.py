"""Accuracy through the HTTP API: the article's two networks on pictures, and a network of ours on two tables.

python -m benchmarks.accuracy --pictures FOLDER     # holds pictures-train.zip, pictures-test.zip, penguins.csv, …
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import httpx

from benchmarks.service import running

EXAMPLES = Path(__file__).parents[1] / "examples"
SEEDS = (1, 2, 3)
WIDE: dict[str, Any] = {
    "layers": [
        {"type": "dense", "units": 64, "use_bias": False},
        {"type": "batch_normalization"},
        {"type": "activation", "function": "relu"},
        {"type": "dropout", "rate": 0.2},
        {"type": "dense", "units": 32, "use_bias": False},
        {"type": "batch_normalization"},
        {"type": "activation", "function": "relu"},
        {"type": "dense"},
    ]
}


def upload(client: httpx.Client, path: Path, target: str | None = None) -> str:
    """The id of a dataset made of a file."""
    with path.open("rb") as file:
        answer = client.post("/datasets", files={"file": (path.name, file)}, data={"target": target} if target else {})
    answer.raise_for_status()
    return str(answer.json()["id"])


def train(client: httpx.Client, dataset: str, network: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    """The result of a run, waited for at its event stream."""
    answer = client.post("/runs", json={"dataset": dataset, "network": network, "training": training})
    answer.raise_for_status()
    run = answer.json()["id"]
    with client.stream("GET", f"/runs/{run}/events", timeout=None) as events:
        for line in events.iter_lines():
            if line == "event: end":
                break
    ended: dict[str, Any] = client.get(f"/runs/{run}").json()
    if ended["status"] != "succeeded":
        raise SystemExit(f"a run ended as {ended['status']}: {ended['error']}")
    return dict(ended["result"])


def pictures(client: httpx.Client, folder: Path) -> None:
    """Median accuracy on the test pictures of three seeds, 15 epochs, Adam 0.001, batches of 32, at 64 × 64."""
    trained, tested = upload(client, folder / "pictures-train.zip"), upload(client, folder / "pictures-test.zip")
    print("| network | test accuracy, three seeds | median |\n|---|---|--:|")
    for name in ("batchnorm", "dropout"):
        network = json.loads((EXAMPLES / "networks" / f"article-{name}.json").read_text())
        found = [
            train(
                client,
                trained,
                network,
                {
                    "epochs": 15,
                    "batch_size": 32,
                    "seed": seed,
                    "optimizer": {"name": "adam", "learning_rate": 0.001},
                    "validation": {"dataset": tested},
                },
            )["evaluation"]["validation"]["accuracy"]
            for seed in SEEDS
        ]
        print(f"| {name} | {', '.join(f'{value:.3f}' for value in found)} | {statistics.median(found):.3f} |")


def table(client: httpx.Client, path: Path, target: str, training: dict[str, Any]) -> None:
    """Median accuracy on the held-out fifth of three seeds, with 64-32 units, batch norm and dropout 0.2."""
    dataset = upload(client, path, target)
    found = [
        train(client, dataset, WIDE, {**training, "seed": seed})["evaluation"]["validation"]["accuracy"]
        for seed in SEEDS
    ]
    print(f"| {path.name} | {', '.join(f'{value:.3f}' for value in found)} | {statistics.median(found):.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, help="folder with pictures-train.zip and pictures-test.zip")
    folder = parser.parse_args().pictures
    with running() as service, httpx.Client(base_url=f"{service.address}/api/v1", timeout=600) as client:
        if folder is not None:
            pictures(client, folder)
        else:
            print("no --pictures FOLDER was given: the article's networks are not measured")
        print("\n| table | validation accuracy, three seeds | median |\n|---|---|--:|")
        table(client, EXAMPLES / "penguins.csv", "species", {"epochs": 60})
        if folder is not None and (folder / "adult.csv.gz").exists():
            table(client, folder / "adult.csv.gz", "income", {"epochs": 20, "batch_size": 128})


if __name__ == "__main__":
    main()
