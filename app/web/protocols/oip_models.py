"""What the Open Inference Protocol tells of models: whether they answer, their tensors, configuration and counts."""

from starlette.types import Receive, Scope

from app.serving.catalogue import Served
from app.serving.predictor import Predictor
from app.storage.model_records import ModelRecord
from app.web.desk import Desk
from app.web.protocols.endpoints import names_of, project_of, version_of
from app.web.protocols.named import record_of, served_by
from app.web.protocols.signature import TensorSpec, inputs_of, output_of
from app.web.protocols.statistics import Statistics

PLATFORM, BACKEND = "onnxruntime_onnx", "onnxruntime"
"""Triton's names for what executes a frozen network."""
Json = dict[str, object]


class Models:
    """The answers to GET; each raises `NotFound` for a model or version that is not there."""

    def __init__(self, desk: Desk, statistics: Statistics) -> None:
        self._desk, self._statistics = desk, statistics

    async def ready(self, scope: Scope, receive: Receive) -> Json:
        """A model that is there answers: it is loaded by whoever asks first."""
        names = names_of(scope)
        served = await served_by(self._desk.context, project_of(scope), names["name"], version=version_of(names))
        return {"name": served.model, "ready": True}

    async def metadata(self, scope: Scope, receive: Receive) -> Json:
        name, record, predictor = await self._model(scope)
        return {
            "name": name,
            "versions": [str(number) for number in sorted(record.versions)],
            "platform": PLATFORM,
            "inputs": [spec.document() for spec in inputs_of(predictor)],
            "outputs": [output_of(predictor).document()],
        }

    async def config(self, scope: Scope, receive: Receive) -> Json:
        """Triton's ModelConfig, as far as there is something to say."""
        name, record, predictor = await self._model(scope)
        return {
            "name": name,
            "platform": PLATFORM,
            "backend": BACKEND,
            "version_policy": {"specific": {"versions": sorted(record.versions)}},
            "max_batch_size": self._desk.context.limits.prediction_rows,
            "input": [_tensor(spec) for spec in inputs_of(predictor)],
            "output": [_tensor(output_of(predictor))],
            "instance_group": [{"name": name, "kind": "KIND_CPU", "count": 1}],
            "dynamic_batching": {"max_queue_delay_microseconds": 0, "preserve_ordering": False},
            "default_model_filename": "frozen.onnx",
            "parameters": {},
        }

    async def statistics(self, scope: Scope, receive: Receive) -> Json:
        """Of one version, of all versions of a model, or of all that were asked in the caller's project."""
        context, project, names = self._desk.context, project_of(scope), names_of(scope)
        if "version" in names:
            asked = [await served_by(context, project, names["name"], version=version_of(names))]
        elif "name" in names:
            record = await record_of(context, project, names["name"])
            asked = [
                await served_by(context, project, names["name"], version=number) for number in sorted(record.versions)
            ]
        else:
            asked = self._statistics.asked(project)
        return {"model_stats": [self._counts(served) for served in asked]}

    def _counts(self, served: Served) -> Json:
        executed = self._desk.executions.of(self._desk.context.registry.find(served.run_id))
        return self._statistics.known(served).document(served.model or "", served.version or 0, executed)

    async def _model(self, scope: Scope) -> tuple[str, ModelRecord, Predictor]:
        project, names = project_of(scope), names_of(scope)
        record = await record_of(self._desk.context, project, names["name"])
        _, predictor = await self._desk.model(project, names["name"], version=version_of(names))
        return names["name"], record, predictor


def _tensor(spec: TensorSpec) -> Json:
    """A tensor as ModelConfig has it: without the dimension of the rows."""
    kind = "TYPE_STRING" if spec.datatype == "BYTES" else f"TYPE_{spec.datatype}"
    return {"name": spec.name, "data_type": kind, "dims": list(spec.shape[1:])}
