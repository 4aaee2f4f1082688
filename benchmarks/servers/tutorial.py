"""The server of most tutorials: FastAPI, a pydantic model with lists of numbers, and PyTorch in an `async def`."""

from itertools import pairwise

import torch
from fastapi import FastAPI
from pydantic import BaseModel
from torch import nn

torch.set_num_threads(1)


def network(*widths: int) -> nn.Sequential:
    """Dense, batch norm and relu for each hidden width; a dense layer and softmax behind."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]), nn.Softmax(dim=1)).eval()


ROW, PICTURE = network(30, 64, 64, 2), network(12_288, 16, 32, 64, 3)
app = FastAPI()


class Rows(BaseModel):
    instances: list[list[float]]


def answered(model: nn.Sequential, rows: Rows) -> dict[str, list[list[float]]]:
    with torch.inference_mode():
        return {"predictions": model(torch.tensor(rows.instances)).tolist()}


@app.post("/row")
async def row(rows: Rows) -> dict[str, list[list[float]]]:
    return answered(ROW, rows)


@app.post("/picture")
async def picture(rows: Rows) -> dict[str, list[list[float]]]:
    return answered(PICTURE, rows)
