"""The main job end to end, by curl, every call shown: `dropnorm demo`."""

import json
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.demo_service import HOME, DemoFailed, free_port, running_service

EXAMPLES = Path("examples")
SHOWN_CHARACTERS = 240
Answer = dict[str, Any]


class Demo:
    """Calls a service with curl and shows what is called and what is answered."""

    def __init__(self, address: str, console: Console) -> None:
        self.api, self.console = f"{address}/api/v1", console

    def table(self) -> None:
        """A table with missing values: the penguins."""
        self._title("A table: 344 penguins, three species, some values missing")
        dataset = self._call("-F", f"file=@{EXAMPLES}/penguins.csv", "-F", "target=species", "datasets")
        network = self._send(f"@{EXAMPLES}/networks/table.json", "networks")
        training = {"epochs": 60, "seed": 7}
        self._train({"dataset": dataset["id"], "network": network["id"], "model": "penguins", "training": training})
        self._title("Predict: one penguin complete, one with values missing and an island never seen")
        rows = [
            {
                "island": "Biscoe",
                "bill_length_mm": 47.5,
                "bill_depth_mm": 15.0,
                "flipper_length_mm": 218,
                "body_mass_g": 4950,
                "sex": "female",
                "year": 2009,
            },
            {"island": "Ross", "bill_length_mm": 38.9, "bill_depth_mm": None, "flipper_length_mm": 188, "year": 2009},
        ]
        self._send(json.dumps({"instances": rows}), "models/penguins/predict")

    def pictures(self) -> None:
        """The article's two networks on pictures of 64 × 64 × 3 values."""
        self._title("Pictures: 240 of three classes, and the article's two networks (12,288 inputs)")
        dataset = self._call("-F", f"file=@{EXAMPLES}/pictures.zip", "datasets")
        for name, epochs in (("batchnorm", 15), ("dropout", 40)):
            self._title(f"The article's {name} network")
            network = self._send(f"@{EXAMPLES}/networks/article-{name}.json", "networks")
            self._train(
                {
                    "dataset": dataset["id"],
                    "network": network["id"],
                    "model": name,
                    "training": {"epochs": epochs, "seed": 7},
                }
            )
            picture = f"@{EXAMPLES}/held-out/dahlia.jpg"
            self._call("-H", "Content-Type: image/jpeg", "--data-binary", picture, f"models/{name}/predict")

    def _train(self, wanted: Answer) -> None:
        run = self._send(json.dumps(wanted), "runs")
        self._follow(run["id"], int(wanted["training"]["epochs"]))
        ended = self._get(f"runs/{run['id']}")
        if ended["status"] != "succeeded":
            raise DemoFailed(f"the run ended as {ended['status']}: {ended['error']}")
        evaluation, parity = ended["result"]["evaluation"], ended["result"]["parity"]
        self.console.print(
            f"  held-out accuracy {evaluation['validation']['accuracy']:.3f}; a row's answer is the same bits alone, "
            f"batched and shuffled: {parity['bit_equal_alone_batched_shuffled']}; largest difference to PyTorch's eval "
            f"mode {parity['largest_difference']:.1e}",
            highlight=False,
        )

    def _follow(self, run_id: str, epochs: int) -> None:
        command = ["curl", "-sN", f"{self.api}/runs/{run_id}/events"]
        self._show_command(command)
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} epochs"),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as progress, _curl(command) as lines:
            bar = progress.add_task("training", total=epochs, told="")
            kind = ""
            assert lines.stdout is not None
            for line in lines.stdout:
                name, _, value = line.rstrip("\n").partition(": ")
                kind = value if name == "event" else kind
                if name == "data" and kind == "epoch":
                    report = json.loads(value)
                    accuracy = report["validation"]["accuracy"]
                    progress.update(bar, completed=report["epoch"], told=f"validation accuracy {accuracy:.3f}")

    def _send(self, body: str, path: str) -> Answer:
        return self._call("-H", "Content-Type: application/json", "-d", body, path)

    def _get(self, path: str) -> Answer:
        return self._answer(["curl", "-s", f"{self.api}/{path}"])

    def _call(self, *arguments: str) -> Answer:
        *options, path = arguments
        command = ["curl", "-s", *options, f"{self.api}/{path}"]
        self._show_command(command)
        answer = self._answer(command)
        self.console.print(f"  {_shortened(answer)}", style="dim", markup=False, highlight=False, soft_wrap=True)
        return answer

    def _answer(self, command: list[str]) -> Answer:
        text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HOME).stdout  # noqa: S603
        answer: Answer = json.loads(text)
        if "code" in answer and "detail" in answer:
            raise DemoFailed(f"the service answered: {answer['detail']}")
        return answer

    def _show_command(self, command: list[str]) -> None:
        self.console.print(f"$ {shlex.join(command)}", style="bold", markup=False, highlight=False, soft_wrap=True)

    def _title(self, text: str) -> None:
        self.console.print(f"\n{text}", style="bold green", highlight=False)


def run() -> None:
    """Starts a service in a folder of its own, does the main job with it, and stops it. Raises `DemoFailed`."""
    if shutil.which("curl") is None:
        raise DemoFailed("curl is not installed, and the demo is made of curl calls")
    console = Console()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dropnorm-demo-") as folder:
        address = f"http://127.0.0.1:{free_port()}"
        console.print(f"starting a service at {address}, its data in {folder}", highlight=False, soft_wrap=True)
        with running_service(address, Path(folder)):
            demo = Demo(address, console)
            demo.table()
            demo.pictures()
    console.print(
        f"\ndone in {time.monotonic() - began:.0f} s; the service is stopped, `make serve` starts one to keep"
    )


def _shortened(answer: Answer) -> str:
    """The answer as JSON, its long parts as "…"."""
    texts = {name: json.dumps(value) for name, value in answer.items()}
    parts = (f'"{name}": {text if len(text) <= SHOWN_CHARACTERS else "…"}' for name, text in texts.items())
    return "{" + ", ".join(parts) + "}"


def _curl(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - curl, with our own arguments
