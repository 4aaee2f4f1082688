"""T08: networks that name code, nest without end or would fill the memory. Refused with 422 naming the field.

Parameters are counted before anything is built, so a network of any size costs nothing to refuse. What Keras writes
is refused as an unknown field, whatever stands in it.
"""

import json
import time
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, pointers
from tests.attacks.conftest import Memory
from tests.service import Service

Json = dict[str, Any]
MEGABYTE = 1 << 20
OUTPUT: Json = {"type": "dense"}


def nested(depth: int) -> Json:
    """A Sequential within a Sequential, and so on."""
    layer: Json = {"class_name": "Dense", "config": {"units": 4}}
    for _ in range(depth):
        layer = {"class_name": "Sequential", "config": {"layers": [layer]}}
    return layer


def keras(class_name: str, **config: object) -> Json:
    layer = {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [layer, layer]}}


LAMBDA = ["4wEAAAAAAAAAAAAAAAEAAAADAAAAQwAAAHMIAAAAfABkARQAUwBeAQ==", None, None]
KERAS: dict[str, Any] = {
    "lambda": keras("Lambda", function=LAMBDA),
    "module os": {"module": "os", "class_name": "system", "config": {"command": "touch /canary"}},
    "registered name": {**keras("Dense", units=4), "registered_name": "builtins>eval"},
    "vocabulary": keras("StringLookup", vocabulary="/etc/passwd"),
    "unknown layer": keras("NoSuchLayer"),
    "nested": nested(15),
    "units 1e9": keras("Dense", units=10**9),
    "units -1": keras("Dense", units=-1),
    "units true": keras("Dense", units=True),
    "units text": keras("Dense", units="16"),
    "rate 1": keras("Dropout", rate=1.0),
    "two inputs": keras("InputLayer", batch_shape=[None, 4]),
    "activation of code": keras("Dense", units=4, activation={"module": "os", "class_name": "system"}),
    "batch_shape": keras("InputLayer", batch_shape=[None, 2**40, 2**40]),
    "text": '{"class_name": "Sequential"}',
    "list": [1, 2],
    "number": 1,
}


@pytest.mark.parametrize("kind", KERAS)
@pytest.mark.parametrize("with_layers", [False, True])
def test_what_keras_writes_is_refused_by_its_name(api: httpx.Client, kind: str, with_layers: bool) -> None:
    body = {"keras": KERAS[kind], **({"layers": [OUTPUT]} if with_layers else {})}
    for path in ("/api/v1/networks", "/api/v1/networks/check"):
        document = expect_problem(api.post(path, json=body), 422)
        assert any(pointer == "/keras" or pointer.startswith("/keras/") for pointer in pointers(document)), document
    run = {"dataset": "ds_x", "network": body}
    document = expect_problem(api.post("/api/v1/runs/check", json=run), 422)
    assert any("/keras" in pointer for pointer in pointers(document)), document


@pytest.mark.parametrize("depth", [70, 1_000, 100_000])
def test_a_network_nested_without_end_is_refused(api: httpx.Client, memory: Memory, depth: int) -> None:
    opened, closed = '{"class_name": "Sequential", "config": {"layers": [', "]}}"
    inner = opened * depth + closed * depth
    for text in (f'{{"keras": {inner}}}', f'{{"layers": [{inner}]}}', f'{{"layers": {"[" * depth + "]" * depth}}}'):
        answer = api.post("/api/v1/networks", content=text, headers={"Content-Type": "application/json"})
        expect_problem(answer, (400, 413, 422))
    assert memory.grown() < 50 * MEGABYTE


HOSTILE: dict[str, tuple[Json, str]] = {
    # what is wrong: a layer, and the field that the refusal must name
    "lambda": ({"type": "lambda", "function": "__import__('os').system('true')"}, "/layers/1"),
    "class name": ({"type": "torch.nn.Linear"}, "/layers/1"),
    "module": ({"type": "dense", "module": "os"}, "/layers/1/module"),
    "class_name": ({"type": "dense", "class_name": "os.system"}, "/layers/1/class_name"),
    "registered_name": ({"type": "dense", "registered_name": "builtins>eval"}, "/layers/1/registered_name"),
    "vocabulary": ({"type": "string_lookup", "vocabulary": "/etc/passwd"}, "/layers/1"),
    "a network within": ({"type": "sequential", "layers": [OUTPUT]}, "/layers/1"),
    "dunder": ({"type": "__init__"}, "/layers/1"),
    "type as object": ({"type": {"type": "dense"}}, "/layers/1"),
    "units 1e9": ({"type": "dense", "units": 10**9}, "/layers/1/units"),
    "units -1": ({"type": "dense", "units": -1}, "/layers/1/units"),
    "units 0": ({"type": "dense", "units": 0}, "/layers/1/units"),
    "units true": ({"type": "dense", "units": True}, "/layers/1/units"),
    "units text": ({"type": "dense", "units": "16"}, "/layers/1/units"),
    "units half": ({"type": "dense", "units": 16.5}, "/layers/1/units"),
    "units object": ({"type": "dense", "units": {"$ref": "#"}}, "/layers/1/units"),
    "rate 1": ({"type": "dropout", "rate": 1.0}, "/layers/1/rate"),
    "rate below 0": ({"type": "dropout", "rate": -0.1}, "/layers/1/rate"),
    "rate text": ({"type": "dropout", "rate": "0.5"}, "/layers/1/rate"),
    "no rate": ({"type": "dropout"}, "/layers/1/rate"),
    "activation as object": ({"type": "dense", "activation": {"module": "os"}}, "/layers/1/activation"),
    "activation unknown": ({"type": "activation", "function": "eval"}, "/layers/1/function"),
    "initializer": ({"type": "dense", "initializer": "os.system"}, "/layers/1/initializer"),
    "momentum": ({"type": "batch_normalization", "momentum": 1.0}, "/layers/1/momentum"),
    "epsilon": ({"type": "batch_normalization", "epsilon": 0}, "/layers/1/epsilon"),
    "an input in the middle": ({"type": "input", "shape": [2**40]}, "/layers/1"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_layer_is_refused_by_its_place(api: httpx.Client, penguins: Json, kind: str) -> None:
    layer, place = HOSTILE[kind]
    spec = {"layers": [{"type": "dense", "units": 4}, layer, OUTPUT]}
    for path, body, before in (
        ("networks", spec, ""),
        ("networks/check", spec, ""),
        ("runs/check", {"dataset": penguins["id"], "network": spec}, "/network"),
    ):
        document = expect_problem(api.post(f"/api/v1/{path}", json=body), 422)
        found = pointers(document)
        assert found, document
        assert all(pointer.startswith(before + place) for pointer in found), document


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "9" * 5000, '"\\ud800"', '{"rate": 1, "rate": 2}'])
def test_what_is_no_number_of_json_is_named(api: httpx.Client, text: str) -> None:
    content = f'{{"layers": [{{"type": "dropout", "rate": {text}}}, {{"type": "dense"}}]}}'
    answer = api.post("/api/v1/networks", content=content, headers={"Content-Type": "application/json"})
    assert all(pointer.startswith("/layers/0/rate") for pointer in pointers(expect_problem(answer, (400, 422))))


SHAPES = [[2**40], [-1], [0], [True], ["4"], [1.5], [], [1] * 4, [1] * 100_000, 4, "4", {"0": 4}, [[4]]]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: repr(shape)[:20])
def test_a_hostile_input_shape_is_named(api: httpx.Client, shape: object) -> None:
    document = expect_problem(api.post("/api/v1/networks", json={"input_shape": shape, "layers": [OUTPUT]}), 422)
    assert all(pointer.startswith("/input_shape") for pointer in pointers(document)), document


def huge(layers: int = 200) -> Json:
    """Some 800 billion parameters, each layer within its bounds."""
    return {"input_shape": [65_536], "layers": [{"type": "dense", "units": 65_536}] * (layers - 1) + [OUTPUT]}


def test_parameters_are_counted_before_anything_is_built(
    service: Service, api: httpx.Client, memory: Memory, penguins: Json
) -> None:
    begin = time.monotonic()
    document = expect_problem(api.post("/api/v1/networks/check", json=huge()), 422, "network_too_large")
    assert all(pointer.startswith("/layers/") for pointer in pointers(document)), document
    spec = {key: value for key, value in huge().items() if key != "input_shape"}
    run = {"dataset": penguins["id"], "network": spec, "training": {"epochs": 1}}
    for path in ("runs/check", "runs"):
        document = expect_problem(api.post(f"/api/v1/{path}", json=run), 422, "network_too_large")
        assert all(pointer.startswith("/network/layers/") for pointer in pointers(document)), document
    assert time.monotonic() - begin < 5
    assert memory.grown() < 50 * MEGABYTE
    assert not [process for process in service.processes() if process.memory_info().rss > 2_000 * MEGABYTE]


def test_more_layers_than_a_network_may_have_are_refused_at_a_bounded_cost(api: httpx.Client, memory: Memory) -> None:
    expect_problem(api.post("/api/v1/networks", json=huge(201)), 422)
    content = json.dumps({"layers": [OUTPUT] * 1_000_000})
    answer = api.post("/api/v1/networks", content=content, headers={"Content-Type": "application/json"})
    expect_problem(answer, (413, 422))
    assert memory.grown() < 100 * MEGABYTE
