"""The settings of a training run: what `training` in a submission may say."""

from typing import Annotated, Literal

from pydantic import Field

from app.domain.strict import Strict

FLOAT32_MAX = 3.4028234663852886e38
Loss = Literal["auto", "cross_entropy", "binary_cross_entropy", "mean_squared_error", "mean_absolute_error", "huber"]
Monitor = Literal[
    "validation_loss", "validation_accuracy", "validation_mean_absolute_error", "validation_r2", "train_eval_loss"
]
Schedule = Literal["constant", "cosine", "one_cycle", "reduce_on_plateau"]
LearningRate = Annotated[float, Field(gt=1.1754943508222875e-38, le=FLOAT32_MAX)]


class Sgd(Strict):
    name: Literal["sgd"]
    learning_rate: LearningRate = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False


class Adam(Strict):
    name: Literal["adam"]
    learning_rate: LearningRate = 0.001


class AdamW(Strict):
    name: Literal["adamw"]
    learning_rate: LearningRate = 0.001


class RmsProp(Strict):
    name: Literal["rmsprop"]
    learning_rate: LearningRate = 0.001


Optimizer = Annotated[Sgd | Adam | AdamW | RmsProp, Field(discriminator="name")]


class Validation(Strict):
    """Held-out rows: a `fraction` of the dataset, or another `dataset`."""

    fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    dataset: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class EarlyStopping(Strict):
    """Stops when `monitor` has not got better by more than `minimum_change` for `patience` epochs."""

    monitor: Monitor = "validation_loss"
    patience: Annotated[int, Field(ge=1, le=100_000)] = 5
    minimum_change: Annotated[float, Field(ge=0, le=FLOAT32_MAX)] = 0.0
    restore_best: bool = True


class TrainingSettings(Strict):
    """Every field has a default; `seed` alone is drawn when a run is submitted without one."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 30
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 32
    seed: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    optimizer: Optimizer = Adam(name="adam")
    validation: Validation = Validation(fraction=0.2)
    early_stopping: EarlyStopping | None = None
    loss: Loss = "auto"
    class_weight: Literal["balanced"] | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0, le=FLOAT32_MAX)] = 0.0
    gradient_clip_norm: Annotated[float, Field(gt=0, le=FLOAT32_MAX)] | None = None
    schedule: Schedule = "constant"
    population_statistics: bool = True
    max_seconds: Annotated[float, Field(gt=0, le=31_536_000)] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
