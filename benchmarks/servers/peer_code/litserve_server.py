"""LitServe's server, as its documentation writes one. Its argument is the port."""

import sys

import litserve
import torch

from benchmarks.servers.network import answered


class Network(litserve.LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request):
        return torch.tensor(request["instances"])

    def predict(self, rows):
        return answered(rows)

    def encode_response(self, output):
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Network(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, num_api_servers=1)
