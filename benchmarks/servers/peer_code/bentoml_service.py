"""BentoML's service, as its documentation writes one."""

from typing import Annotated

import bentoml
import numpy as np
import torch
from bentoml.validators import DType

from benchmarks.servers.network import answered


@bentoml.service(workers=1)
class Network:
    @bentoml.api
    def predict(self, instances: Annotated[np.ndarray, DType("float32")]) -> np.ndarray:
        return answered(torch.from_numpy(instances)).numpy()
