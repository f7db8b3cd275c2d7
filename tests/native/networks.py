"""Networks of the zoo in small, and a hash of what they compute: run it to print the hashes of all.

NETDSL_ISA=avx2 python tests/native/networks.py 2
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import netruntime as nr
from netruntime.engine.network import Network

EXAMPLES = Path(__file__).parents[2] / "examples"
SEED = 3
SMALL: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "lenet5": ({}, {}),
    "mlp": ({}, {}),
    "digits_resnet": ({}, {}),
    "digits_googlenet": ({}, {}),
    "alexnet": ({"classes": 10}, {"H": 95, "W": 111}),
    "resnet18": ({"classes": 10}, {"H": 64, "W": 75}),
    "resnet50": ({"classes": 10, "depth": [1, 1, 1, 1]}, {"H": 64, "W": 64}),
    "vgg16": ({"size": 32, "classes": 10}, {}),
    "vit": ({"size": 48, "classes": 10, "depth": 2}, {}),
    "transformer_encoder": ({}, {"S": 13}),
    "gpt2": ({"depth": 2, "dim": 96, "heads": 4, "vocab": 61}, {"T": 17}),
    "lstm": ({}, {"T": 9}),
    "gru": ({}, {"T": 9}),
    "rnn": ({}, {"T": 9}),
    "bilstm_tagger": ({"dim": 12, "hidden": 33}, {"T": 9}),
    "char_lstm": ({"vocab": 11, "hidden": 40}, {"T": 9}),
}
"""For each example, entries of its config and its free sizes but the batch."""


def open_example(name: str, **options: Any) -> Network:
    """The example with its small config and weights drawn from a seed."""
    config, _ = SMALL[name]
    return nr.load(EXAMPLES / f"{name}.net", seed=SEED, **options, **config)


def inputs_of(net: Network, name: str, batch: int) -> dict[str, Any]:
    """Random inputs; row n is the same in each batch."""
    sizes = {"B": batch, **SMALL[name][1]}
    inputs = {}
    for key, type_ in net.inputs.items():
        shape = [size.evaluate(sizes) for size in type_.shape]
        rows = [np.random.default_rng([SEED, n]) for n in range(batch)]
        if type_.dtype.value == "bool":
            inputs[key] = np.ones(shape, bool)
        elif type_.dtype.is_int:
            high = sizes.get("T", 2) + 1 if key == "length" else 10
            inputs[key] = np.array([rng.integers(1, high, shape[1:]) for rng in rows], np.int32)
        else:
            inputs[key] = np.array([rng.normal(size=shape[1:]) for rng in rows], np.float32)
    return inputs


def hash_of(results: dict[str, Any]) -> str:
    """A hash of the bits of all outputs."""
    digest = hashlib.sha256()
    for name in sorted(results):
        digest.update(np.ascontiguousarray(results[name]).tobytes())
    return digest.hexdigest()[:16]


def main() -> None:
    """Print the hash of each network's outputs for a batch of three, as JSON."""
    threads = int(sys.argv[1])
    hashes = {}
    for name in SMALL:
        net = open_example(name, engine="native", threads=threads)
        hashes[name] = hash_of(net.run(inputs_of(net, name, 3)))
    print(json.dumps(hashes))


if __name__ == "__main__":
    main()
