"""The examples as the tests use them: loaded, given weights that hide no mistake, counted, compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import netruntime as nr
from netdsl.model import Parameter
from netruntime.engine.network import Network
from netruntime.engine.weights import name_map
from netruntime.weight_files.renamed import write_renamed

Array = np.ndarray[Any, Any]

EXAMPLES = Path(__file__).parents[2] / "examples"


def load_example(name: str, model: str | None = None, weights: Any = None, **config: Any) -> Network:
    """An example by the name of its file, without `.net`."""
    return nr.load(EXAMPLES / f"{name}.net", weights, model=model, **config)


def load_varied(name: str, model: str | None = None, *, gain: float = 1.0, **config: Any) -> Network:
    """An example with its seeded weights, where those that start as zeros or ones are moved off them.

    So a bias left out, a normalisation skipped, or a mean taken for a variance changes the outputs.
    `gain` enlarges matrices and windows that start too small for an untrained network to show anything.
    """
    rng = np.random.default_rng(7)
    seeded = load_example(name, model, **config).weights
    varied = {
        path: array + rng.uniform(-0.4, 0.4, array.shape).astype(array.dtype) if np.ptp(array) == 0 else array
        for path, array in seeded.items()
    }
    varied = {path: array * np.float32(gain if array.ndim > 1 else 1) for path, array in varied.items()}
    return load_example(name, model, varied, **config)


def uniform(*shape: int, low: float = -1.0, high: float = 1.0) -> Array:
    """A seeded f32 array."""
    return np.random.default_rng(11).uniform(low, high, shape).astype(np.float32)


def parameter_count(net: Network) -> int:
    """The numbers in the trained parameters, from the graph: no weight is drawn for it."""
    nodes = [data for _, data in net.graph.operators() if isinstance(data.op, Parameter)]
    return sum(data.types[0].size.value for data in nodes if data.op.role == "param")


def multiply_adds(net: Network, part: str = "", **sizes: int) -> int:
    """The multiply-adds for these values of the free sizes: of the whole, or under one label path."""
    total = 0
    for node, data in net.graph.operators():
        if not f"{data.label}.".startswith(f"{part}." if part else ""):
            continue
        types = [type_ for type_ in net.graph.input_types(node) if type_ is not None]
        total += data.op.cost(*types).substitute(sizes).value
    return total


def renamed(net: Network, names: str) -> dict[str, Array]:
    """The weights under the names, and in the layout, of one of the file's maps."""
    return write_renamed(net.weights, name_map(net.checked.weights[names]))


def assert_close(actual: Array, expected: Array) -> None:
    """Equal up to f32 rounding.

    Deep sums of products, taken in another order, differ by some 1e-6 of the largest values, and
    more than that of values that cancel: hence a tolerance relative to the largest.
    """
    assert np.ptp(expected) > 1e-3 * np.abs(expected).max(), "the outputs hardly differ: they show nothing"
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def assert_same_weights(actual: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    """The same names with the same values, bit for bit."""
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array, err_msg=name)
