"""A run before it runs: which rows train, what the network is for them, how they fall into batches.

The check of a run, its submission and its training all start here, so that what was told is what happens.
"""

from dataclasses import dataclass

import numpy as np

from app.domain.data.columns import Columns
from app.domain.data.features import fit
from app.domain.data.preprocessing import Preprocessing
from app.domain.data.split import Rows, split
from app.domain.data.stored import check_columns
from app.domain.data.targets import check_target, target_column
from app.domain.network.layers import Parameters
from app.domain.network.shapes import check_output, summarize
from app.domain.network.spec import NetworkSpec
from app.domain.plan.batches import BatchPlan, check_batches, plan_batches
from app.domain.plan.compatibility import check_monitor, check_settings
from app.domain.plan.inputs import input_shape_for
from app.domain.plan.settings import TrainingSettings
from app.domain.task import Task
from app.errors import FieldError, InvalidSettings

DEFAULT_FRACTION = 0.2


@dataclass(frozen=True, slots=True)
class Preparation:
    """`validation_rows` are rows of the same dataset, or of the one that the settings name."""

    spec: NetworkSpec
    preprocessing: Preprocessing
    training_rows: Rows
    validation_rows: Rows
    batches: BatchPlan
    parameters: Parameters

    @property
    def memory_bytes(self) -> int:
        """An estimate of what training takes: weights and what there is of their size; all rows; a batch's activations.

        Of the weights' size are the gradients, two moments and the best epoch's weights; and a checkpoint, which holds
        all but the gradients, while it is written. A batch's activations are kept for the backward pass, and their
        gradients stand beside them.
        """
        values = int(np.prod(self.preprocessing.input_shape)) * (len(self.training_rows) + len(self.validation_rows))
        pictures = self.preprocessing.picture is not None
        layers = sum(int(np.prod(line.output_shape or ())) for line in summarize(self.spec).layers)
        batch = max(self.batches.batch_size, self.batches.last_batch)
        return 4 * (5 + 4) * self.parameters.total + values * (1 if pictures else 4) + 2 * 4 * batch * layers


def prepare(
    columns: Columns, spec: NetworkSpec, settings: TrainingSettings, validation: Columns | None = None
) -> Preparation:
    """Splits the rows, fits the preprocessing on the training rows, and fills the spec's gaps.

    `settings.seed` must be given. Raises `InvalidNetwork`, `InvalidSettings` or `InvalidDataset` for whatever would
    keep the run from training, so that it is refused before anything runs.
    """
    training_rows, validation_rows = divided(columns, settings, validation)
    picture_shape = None
    if columns.schema.has_pictures:
        picture_shape = input_shape_for(spec, columns.schema, columns.shapes)
    preprocessing = fit(columns, training_rows, picture_shape)
    shape = input_shape_for(spec, columns.schema, columns.shapes, preprocessing.width)
    resolved = spec.resolved(shape, columns.schema.task, len(columns.schema.classes))
    check_output(resolved)
    check_settings(resolved, columns.schema.task, settings)
    check_monitor(settings, len(validation_rows))
    batches = plan_batches(len(training_rows), settings.batch_size)
    check_batches(resolved, batches)
    if validation is not None:
        _check_other(preprocessing, validation)
    counts = summarize(resolved).parameters
    assert counts is not None, "a resolved spec has no open shapes"
    return Preparation(resolved, preprocessing, training_rows, validation_rows, batches, counts)


def divided(columns: Columns, settings: TrainingSettings, validation: Columns | None) -> tuple[Rows, Rows]:
    """The rows of `columns` to train on, and those to validate on: its own, or all of `validation`.

    They follow from the dataset and the settings alone, so they are found again whenever they are asked for.
    """
    if validation is not None:
        return np.arange(columns.schema.rows), np.arange(validation.schema.rows)
    assert settings.seed is not None, "a seed is drawn when a run is submitted"
    fraction = settings.validation.fraction or DEFAULT_FRACTION
    stratify = columns.schema.task is Task.CLASSIFICATION
    training, held_out = split(target_column(columns), fraction, settings.seed, stratify=stratify)
    if len(training) == 0:
        raise InvalidSettings(
            f"a validation fraction of {fraction:g} of {columns.schema.rows} rows leaves none to train on",
            code="too_few_rows",
            errors=(FieldError("/training/validation/fraction", "leaves no training rows", f"{fraction:g}"),),
        )
    return training, held_out


def _check_other(preprocessing: Preprocessing, validation: Columns) -> None:
    check_columns(preprocessing, validation.schema)
    check_target(preprocessing.target, validation)
