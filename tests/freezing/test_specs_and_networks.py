"""A spec says of a network what torch finds in it."""

import torch
from hypothesis import given, settings

from app.domain.network.shapes import summarize
from app.domain.network.spec import NetworkSpec
from app.domain.task import Task
from app.domain.training.build import build
from tests.freezing.specs import resolved_specs, rows_for


@settings(max_examples=120, deadline=None)
@given(resolved_specs())
def test_shapes_and_counts_of_the_summary_are_those_of_the_torch_network(drawn: tuple[NetworkSpec, Task]) -> None:
    spec, _ = drawn
    summary, network = summarize(spec), build(spec, 1).eval()
    rows = torch.from_numpy(rows_for(spec, 2, 1))
    for line, module in zip(summary.layers, network.layers, strict=True):
        rows = module(rows)
        assert tuple(rows.shape[1:]) == line.output_shape
        statistics = [b for name, b in module.named_buffers() if name.startswith("running")]
        held = [*module.parameters(), *statistics]
        assert sum(tensor.numel() for tensor in held) == line.parameters
    assert summary.parameters is not None
    assert sum(p.numel() for p in network.parameters()) == summary.parameters.trainable


@settings(max_examples=120, deadline=None)
@given(resolved_specs())
def test_a_spec_comes_back_from_its_document_and_resolves_to_itself(drawn: tuple[NetworkSpec, Task]) -> None:
    spec, task = drawn
    assert NetworkSpec.model_validate(spec.document()) == spec
    assert NetworkSpec.model_validate_json(spec.model_dump_json(exclude_none=True)) == spec
    shape = summarize(spec).output_shape
    assert shape is not None
    assert spec.input_shape is not None
    classes = 0 if task is Task.REGRESSION else max(2, shape[0])
    assert spec.resolved(spec.input_shape, task, classes) == spec
