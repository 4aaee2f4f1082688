"""Population statistics: what eval mode normalises by, estimated over all training rows once the weights stand.

Ioffe & Szegedy 2015, Algorithm 2, lines 8 to 12, made exact. Layers are taken in depth order, and the rows pass all
earlier layers in eval mode, those before them with their final statistics already: so each layer's statistics are of
what it will be given when the network answers. They are the mean and the unbiased variance of all rows pooled, not an
average over batches, whose variances leave out what lies between batches (Wu & Johnson 2021, section 3.1).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from app.domain.training.build import Network
from app.domain.training.data import TrainingData
from app.domain.training.modules import BatchNormModule


class Moments:
    """Mean and variance of each channel over all rows added, in float64.

    Batches are merged as in Chan, Golub & LeVeque 1979, Eq. 2.1, which stays right where E[x²] - E[x]² does not.
    `rows`, `mean` and `squares` (summed squared distances from the mean) are the whole state.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.rows = 0
        self.mean = torch.zeros(0, dtype=torch.float64)
        self.squares = torch.zeros(0, dtype=torch.float64)

    def add(self, inputs: Tensor) -> None:
        """Adds `inputs` [..., channels]: every axis but the last counts as rows."""
        rows = inputs.reshape(-1, inputs.shape[-1]).to(torch.float64)
        mean = rows.mean(0)
        squares = (rows - mean).square_().sum(0)
        if self.rows == 0:
            self.rows, self.mean, self.squares = len(rows), mean, squares
            return
        total = self.rows + len(rows)
        distance = mean - self.mean
        self.mean = self.mean + distance * (len(rows) / total)
        self.squares = self.squares + squares + distance.square() * (self.rows * len(rows) / total)
        self.rows = total

    @property
    def variance(self) -> Tensor:
        """The unbiased variance, float64 [channels]; of two rows or more."""
        return self.squares / (self.rows - 1)


def normalized_layers(network: Network) -> list[int]:
    """The indices of the batch-normalization layers, in depth order."""
    return [index for index, layer in enumerate(network.layers) if isinstance(layer, BatchNormModule)]


def statistics_batches(network: Network, data: TrainingData, chunk_rows: int) -> int:
    """How many batches `reestimate` takes: one pass over the rows for each batch-normalization layer."""
    return len(normalized_layers(network)) * -(-data.rows // chunk_rows)


def reestimate(network: Network, data: TrainingData, chunk_rows: int, moments: Moments, done: int) -> Iterator[int]:
    """Puts the population statistics into every batch normalization, from batch `done` on; yields after every batch.

    A layer's statistics are put in with the last batch of its pass. `moments` and the number of batches done, which is
    what is yielded, are all that is needed to go on later.
    """
    batches = -(-data.rows // chunk_rows)
    layers = normalized_layers(network)
    for batch in range(done, len(layers) * batches):
        index, start = layers[batch // batches], batch % batches * chunk_rows
        if start == 0:
            moments.reset()
        moments.add(layer_inputs(network, data, index, start, start + chunk_rows))
        if start + chunk_rows >= data.rows:
            _put_in(network.layers[index], moments)
        yield batch + 1


def layer_inputs(network: Network, data: TrainingData, index: int, start: int, stop: int) -> Tensor:
    """What layer `index` is given in eval mode for rows `start` to `stop` of `data`."""
    network.eval()
    with torch.inference_mode():
        inputs, _ = data.part(start, stop, next(network.parameters()).device)
        for layer in network.layers[:index]:
            inputs = layer(inputs)
    return inputs


def _put_in(layer: torch.nn.Module, moments: Moments) -> None:
    assert isinstance(layer, BatchNormModule)
    layer.running_mean.copy_(moments.mean)
    layer.running_var.copy_(moments.variance)
