"""MLflow's model of PyTorch, saved as its documentation does. Its argument is the folder that gets it."""

import sys

import mlflow
import torch

from benchmarks.servers.network import answered


class Network(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return answered(torch.tensor(model_input, dtype=torch.float32)).numpy()


if __name__ == "__main__":
    mlflow.pyfunc.save_model(sys.argv[1], python_model=Network(), pip_requirements=[])
