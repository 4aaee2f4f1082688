"""T30: honest files and bodies with bytes changed, cut and repeated, by a fixed seed. No answer is a failure of the
service's own. `make fuzz` goes on for half an hour, with coverage to guide it and the whole description of the API.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.answers import strict_json
from tests.attacks.t30_seeds import seeds
from tests.attacks.uploads import send
from tests.web.predictions import npy_of, penguin_rows

Json = dict[str, Any]
UPLOADS, BODIES_EACH = 4, 36
TOKENS = (b"\0", b"\xff" * 4, b'"', b",", b"\r", b"\n", b"{", b"[" * 99, b"-1", b"1e999", b"NaN", b"\xed\xa0\x80")
pytestmark = pytest.mark.usefixtures("penguins_run", "pictures_run")


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content after one to four changes."""
    found = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(found) + 1)
        end = min(len(found), place + chance.choice((1, 4, 64)))
        change = chance.randrange(5)
        if change == 0:
            found[place:end] = chance.randbytes(end - place)
        elif change == 1:
            found[place:place] = chance.choice(TOKENS)
        elif change == 2:
            del found[place:end]
        elif change == 3:
            found[place:place] = found[place:end] * chance.randint(1, 50)
        else:
            del found[chance.randrange(len(found) + 1) :]
    return bytes(found)


def unharmed(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text[:500]
    if answer.content:
        strict_json(answer)


@pytest.mark.parametrize("name", seeds())
def test_a_changed_upload_is_read_or_refused(api: httpx.Client, name: str) -> None:
    chance = random.Random(name)
    for _ in range(UPLOADS):
        answer = send(api, mutated(seeds()[name], chance), name)
        unharmed(answer)
        if answer.status_code == 201:
            assert api.delete(answer.headers["location"]).status_code == 204


BODIES: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "rows": (
        "models/palmer/predict",
        "application/json",
        lambda: json.dumps({"instances": penguin_rows()[:3]}).encode(),
    ),
    "csv": ("models/palmer/predict", "text/csv", lambda: b"island,year\nBiscoe,2007\nDream,2008\n"),
    "array": ("models/pictures/predict", "application/x-npy", lambda: npy_of(np.zeros((1, 64, 64, 3), np.uint8))),
    "picture": ("models/pictures/predict", "image/png", lambda: seeds()["picture.png"]),
    "network": (
        "networks/check",
        "application/json",
        lambda: b'{"input_shape": [4], "layers": [{"type": "dropout", "rate": 0.5}, {"type": "dense", "units": 3}]}',
    ),
    "keras": (
        "networks/check",
        "application/json",
        lambda: b'{"keras": {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense"}]}}}',
    ),
    "run": (
        "runs/check",
        "application/json",
        lambda: b'{"dataset": "ds_x", "network": {"layers": [{"type": "dense"}]}, "training": {"epochs": 3}}',
    ),
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_changed_body_is_answered_or_refused(api: httpx.Client, kind: str) -> None:
    path, media_type, make = BODIES[kind]
    chance = random.Random(kind)
    for _ in range(BODIES_EACH):
        content = mutated(make(), chance)
        unharmed(api.post(f"/api/v1/{path}", content=content, headers={"Content-Type": media_type}))
