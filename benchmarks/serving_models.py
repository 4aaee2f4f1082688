"""What the serving benchmark serves: three models, trained for real through the API, and what they must answer.

`row`: a table of 30 numbers, 30–64–64–2 with batch norm and dropout. `mixed`: 8 numbers and 2 categories with missing
values. `picture`: the article's batch-norm network on 64 × 64 × 3 values.
"""

import json
import random
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.domain.data.encoder import Encoder
from app.domain.data.pictures import PictureEncoder, Pictures, array_pictures, sized_pictures
from app.domain.data.preprocessing import PictureInput, Preprocessing
from app.domain.data.rows import RowReader
from app.domain.inference.frozen import FrozenNetwork
from app.ingest.pictures import decode
from benchmarks.works import network
from tests.service import EXAMPLES, Service, accepted

Floats = NDArray[np.float32]
MODELS = ("row", "mixed", "picture")
COLUMNS, SIDE = 30, 64
VALUES = SIDE * SIDE * 3
CITIES, COLOURS = ("Athens", "Bergen", "Cadiz", "Dresden", "Evora"), ("red", "green", "blue")
WIDE = {"layers": network(2, [64, 64], norm=True, rate=0.5)}


def row_of_numbers(chance: random.Random) -> list[float]:
    return [round(chance.gauss(10, 3), 4) for _ in range(COLUMNS)]


def mixed_row(chance: random.Random) -> dict[str, object]:
    """Eight measures and two categories, by column name."""
    measures = {f"measure_{number}": round(chance.gauss(5, 2), 4) for number in range(8)}
    return {**measures, "city": chance.choice(CITIES), "colour": chance.choice(COLOURS)}


def picture(chance: random.Random) -> NDArray[np.uint8]:
    """Coloured noise with some shape to it, uint8 [64, 64, 3]: as large a file as a photograph's."""
    small = np.frombuffer(chance.randbytes(16 * 16 * 3), np.uint8).reshape(16, 16, 3)
    return np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def train(service: Service) -> None:
    """Trains the three models, an epoch each: what they answer costs the same however well they know."""
    chance = random.Random(7)
    numbers = [row_of_numbers(chance) for _ in range(200)]
    rows = [{f"column_{n}": value for n, value in enumerate(row)} | {"y": row[0] > 10} for row in numbers]
    mixed = [mixed_row(chance) for _ in range(200)]
    mixed_rows = [
        {**row, "measure_1": row["measure_1"] if n % 9 else None, "y": row["city"] in CITIES[:2]}
        for n, row in enumerate(mixed)
    ]
    sent = {"row": _inline(service, rows), "mixed": _inline(service, mixed_rows)}
    sent["picture"] = service.upload(EXAMPLES / "pictures.zip")["id"]
    article = json.loads((EXAMPLES / "networks/article-batchnorm.json").read_text())
    networks: dict[str, Any] = {"row": WIDE, "mixed": WIDE, "picture": article}
    runs = [service.submit(sent[name], networks[name], model=name, training={"epochs": 1, "seed": 7}) for name in sent]
    for run in runs:
        if service.ended(run["id"])["status"] != "succeeded":
            raise SystemExit("a run of the benchmark failed")


def _inline(service: Service, rows: Sequence[Mapping[str, object]]) -> str:
    answer = service.client.post("/api/v1/datasets", json={"target": "y", "task": "classification", "rows": rows})
    return str(accepted(answer)["id"])


class Reference:
    """A served model in this process, from its files: whatever the server does must answer the same bits."""

    def __init__(self, client: httpx.Client, model: str) -> None:
        run = client.get(f"/api/v1/models/{model}/versions/1").raise_for_status().json()["run"]
        files = f"/api/v1/runs/{run}/artifacts"
        preprocessing = client.get(f"{files}/preprocessing.json").raise_for_status().content
        self._preprocessing = Preprocessing.model_validate_json(preprocessing)
        self._network = FrozenNetwork(client.get(f"{files}/frozen.onnx").raise_for_status().content)

    def rows(self, instances: list[Any]) -> Floats:
        """Probabilities [n, classes] of rows of a table."""
        raw = RowReader(self._preprocessing).of_instances(instances)
        return self._network.answer(Encoder(self._preprocessing).encode(raw.numbers, raw.codes))

    def array(self, pixels: NDArray[np.generic]) -> Floats:
        """Probabilities [n, classes] of pictures: uint8 0–255, or floats 0–1."""
        return self._answer(array_pictures(self._place, pixels))

    def file(self, content: bytes) -> Floats:
        """Probabilities [1, classes] of a PNG or JPEG file."""
        return self._answer(sized_pictures(self._place, [decode(content)]))

    @property
    def _place(self) -> PictureInput:
        place = self._preprocessing.picture
        assert place is not None, "the model takes rows of a table"
        return place

    def _answer(self, pictures: Pictures) -> Floats:
        return self._network.answer(PictureEncoder(self._place).encode(pictures))


def are_in(folder: Path) -> bool:
    """Whether a folder that was given already holds the models."""
    return (folder / "data" / "dropnorm.db").exists()
