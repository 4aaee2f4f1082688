"""The server of most tutorials: FastAPI, a pydantic model with lists of numbers, and PyTorch in an `async def`."""

import torch
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.servers.network import answered

app = FastAPI()


class Rows(BaseModel):
    instances: list[list[float]]


@app.post("/predict")
async def predict(rows: Rows) -> dict[str, list[list[float]]]:
    return {"predictions": answered(torch.tensor(rows.instances)).tolist()}
