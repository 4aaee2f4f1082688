"""What the service has to say about a spec: errors refuse it, warnings and advice inform."""

from typing import Literal

from app.domain.network.layers import Activation, BatchNormalization, Dense, Dropout
from app.domain.network.spec import NetworkSpec
from app.domain.strict import Frozen


class Finding(Frozen):
    """One remark: what (`message`), why it matters, and who says so (`source`). `layer` is None for the whole."""

    code: str
    severity: Literal["error", "warning", "advice"]
    layer: int | None
    message: str
    why: str
    source: str


def find(spec: NetworkSpec) -> tuple[Finding, ...]:
    """All findings about a spec by itself, in the order of its layers."""
    return tuple(
        finding
        for index in range(len(spec.layers))
        for rule in (_dropout_before_batch_norm, _dropout_before_output, _bias_before_batch_norm, _batch_norm_late)
        for finding in rule(spec, index)
    )


def _dropout_before_batch_norm(spec: NetworkSpec, index: int) -> list[Finding]:
    layer = spec.layers[index]
    later = any(isinstance(other, BatchNormalization) for other in spec.layers[index + 1 :])
    if not isinstance(layer, Dropout) or layer.rate == 0 or not later:
        return []
    return [
        Finding(
            code="dropout_before_batch_norm",
            severity="warning",
            layer=index,
            message=f"dropout {layer.rate:g} stands before a batch normalization",
            why=f"in eval mode the variance that reaches it is {1 - layer.rate:.3g} of the one it learned (zero mean); "
            "put dropout behind the last batch normalization",
            source="Li et al. 2019, Understanding the Disharmony between Dropout and Batch Normalization, Eq. 8",
        )
    ]


def _dropout_before_output(spec: NetworkSpec, index: int) -> list[Finding]:
    layer = spec.layers[index]
    if not isinstance(layer, Dropout) or not _is_last_but_activation(spec, index):
        return []
    return [
        Finding(
            code="dropout_on_output",
            severity="error",
            layer=index,
            message="dropout stands on the output layer",
            why="it would zero whole answers in training; dropout may follow any layer but the output",
            source="Srivastava et al. 2014, JMLR 15",
        )
    ]


def _is_last_but_activation(spec: NetworkSpec, index: int) -> bool:
    return all(isinstance(layer, Activation | Dropout) for layer in spec.layers[index + 1 :])


def _bias_before_batch_norm(spec: NetworkSpec, index: int) -> list[Finding]:
    layer = spec.layers[index]
    follows = index + 1 < len(spec.layers) and isinstance(spec.layers[index + 1], BatchNormalization)
    if not (isinstance(layer, Dense) and layer.use_bias and layer.activation is None and follows):
        return []
    return [
        Finding(
            code="bias_before_batch_norm",
            severity="advice",
            layer=index,
            message="this layer's bias has no effect: the batch normalization behind it subtracts the mean",
            why="its offset (beta) takes the bias's place; set use_bias to false",
            source="Ioffe & Szegedy 2015, section 3.2",
        )
    ]


def _batch_norm_late(spec: NetworkSpec, index: int) -> list[Finding]:
    if index == 0 or not isinstance(spec.layers[index], BatchNormalization):
        return []
    before = spec.layers[index - 1]
    if not (isinstance(before, Activation) or (isinstance(before, Dense) and before.activation is not None)):
        return []
    return [
        Finding(
            code="batch_norm_after_activation",
            severity="advice",
            layer=index,
            message="batch normalization stands behind the activation",
            why="before the nonlinearity its input is closer to symmetric, so normalising steadies it more",
            source="Ioffe & Szegedy 2015, section 3.2",
        )
    ]
