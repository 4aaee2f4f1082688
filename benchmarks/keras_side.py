"""Keras's side of the training benchmark: run by `benchmarks.training` in an environment of its own.

Reads workloads as JSON lines; answers each with the seconds of its epochs, and keeps the compiled model for the next.
"""

import json
import os
import sys
import time

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch


class EpochSeconds(keras.callbacks.Callback):
    """The wall time of each epoch, without what `fit` does before the first one."""

    def __init__(self):
        super().__init__()
        self.seconds = []
        self._began = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._began)


def build(inputs, layers):
    """A compiled model of dense, batch_normalization, activation and dropout layers."""
    make = {
        "dense": lambda layer: keras.layers.Dense(layer["units"], use_bias=layer.get("use_bias", True)),
        "batch_normalization": lambda layer: keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
        "activation": lambda layer: keras.layers.Activation(layer["function"]),
        "dropout": lambda layer: keras.layers.Dropout(layer["rate"]),
    }
    model = keras.Sequential([keras.Input((inputs,)), *(make[layer["type"]](layer) for layer in layers)])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main():
    torch.set_num_threads(1)
    models = {}
    for line in sys.stdin:
        work = json.loads(line)
        if work["name"] not in models:
            generator = np.random.default_rng(0)
            features = generator.random((work["rows"], work["inputs"]), dtype=np.float32)
            targets = generator.integers(0, work["classes"], work["rows"])
            models[work["name"]] = (build(work["inputs"], work["layers"]), features, targets)
        model, features, targets = models[work["name"]]
        timed = EpochSeconds()
        model.fit(features, targets, batch_size=work["batch_size"], epochs=work["epochs"], verbose=0, callbacks=[timed])
        print(json.dumps({"seconds": timed.seconds, "keras": keras.__version__, "torch": torch.__version__}))
        sys.stdout.flush()


main()
