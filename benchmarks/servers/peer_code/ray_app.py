"""Ray Serve's deployment, as its documentation writes one. Its argument is the port."""

import sys
import time

import ray
import torch
from ray import serve
from starlette.requests import Request

from benchmarks.servers.network import answered


@serve.deployment
class Network:
    async def __call__(self, request: Request) -> dict:
        rows = (await request.json())["instances"]
        return {"predictions": answered(torch.tensor(rows)).tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Network.bind(), route_prefix="/predict")
    while True:
        time.sleep(60)
