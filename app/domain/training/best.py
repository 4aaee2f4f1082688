"""The best epoch so far: what early stopping waits for, and the weights that it puts back."""

import torch
from torch import Tensor

from app.domain.plan.settings import EarlyStopping
from app.domain.training.build import Network
from app.domain.training.metrics import Metrics

_HIGHER_IS_BETTER = ("accuracy", "r2")


class Best:
    """Follows a metric. `value`, `waited` and `weights` are its whole state.

    `weights` are a copy of everything in the best epoch's network, running statistics included; empty unless they are
    to be put back. Without `rule`, the loss is followed and nothing is stopped or put back.
    """

    def __init__(self, rule: EarlyStopping | None, *, validated: bool) -> None:
        self._rule = rule
        self.monitor: str = rule.monitor if rule else "validation_loss" if validated else "train_eval_loss"
        self.value: float | None = None
        self.waited = 0
        self.weights: dict[str, Tensor] = {}

    @property
    def patience_ended(self) -> bool:
        return self._rule is not None and self.waited >= self._rule.patience

    def go_on(self, value: float | None, waited: int, weights: dict[str, Tensor]) -> None:
        """Takes up what was followed before, of the same metric.

        Begins anew where the best epoch's weights were not kept and are to be put back now; lets go of them where they
        are not to be put back any more.
        """
        if self._keeps and value is not None and not weights:
            return
        self.value, self.waited, self.weights = value, waited, weights if self._keeps else {}

    def observe(self, train_eval: Metrics, validation: Metrics, network: Network) -> bool:
        """Takes an epoch in; True if it is the best so far."""
        value = self._monitored(train_eval, validation)
        if not self._is_better(value):
            self.waited += 1
            return False
        self.value, self.waited = value, 0
        if self._keeps:
            self._keep(network)
        return True

    def put_back(self, network: Network) -> None:
        """The best epoch's weights and running statistics, where they were kept."""
        if self.weights:
            network.load_state_dict(self.weights)

    @property
    def _keeps(self) -> bool:
        return self._rule is not None and self._rule.restore_best

    def _monitored(self, train_eval: Metrics, validation: Metrics) -> float:
        if self.monitor == "train_eval_loss":
            return train_eval["loss"]
        return validation[self.monitor.removeprefix("validation_")]

    def _is_better(self, value: float) -> bool:
        if self.value is None:
            return True
        gain = value - self.value if self.monitor.endswith(_HIGHER_IS_BETTER) else self.value - value
        return gain > (self._rule.minimum_change if self._rule else 0)

    def _keep(self, network: Network) -> None:
        with torch.no_grad():
            for name, tensor in network.state_dict().items():
                self.weights.setdefault(name, torch.empty_like(tensor)).copy_(tensor)
