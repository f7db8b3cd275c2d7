"""Tasks that need a long memory, generated from a seed, and gradients through networks that learn them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from recording import EXAMPLES

import netruntime as nr

Array = np.ndarray[Any, Any]
BLANK, ANSWER = 8, 9
"""The ids of the copying task that are not symbols."""
KEPT = 5
"""The number of symbols to remember."""
FLOW = EXAMPLES / "gradient_flow.net"


def adding(rows: int, steps: int, rng: np.random.Generator) -> dict[str, Array]:
    """The adding problem (Hochreiter and Schmidhuber 1997): `x` f32 [rows, steps, 2], `target` f32 [rows].

    One mark is in the first half of the steps, the other in the second.
    """
    x = np.zeros((rows, steps, 2), np.float32)
    x[:, :, 0] = rng.random((rows, steps))
    row = np.arange(rows)
    first, second = rng.integers(0, steps // 2, rows), rng.integers(steps // 2, steps, rows)
    x[row, first, 1] = x[row, second, 1] = 1
    return {"x": x, "target": x[row, first, 0] + x[row, second, 0]}


def copying(rows: int, delay: int, rng: np.random.Generator) -> dict[str, Array]:
    """The copying task: `ids` i64 [rows, 5 + delay + 5], `answer` i64 [rows, 5].

    Five symbols, a blank of `delay` steps, and five signs to answer.
    """
    symbols = rng.integers(0, BLANK, (rows, KEPT))
    blank, signs = np.full((rows, delay), BLANK), np.full((rows, KEPT), ANSWER)
    return {"ids": np.concatenate([symbols, blank, signs], axis=1), "answer": symbols}


def gradient_norms(
    data: Mapping[str, Array], weights: Mapping[str, Array] | None = None, **config: Any
) -> list[float]:
    """The norm of the gradient of the error with respect to each step of the input, over a whole batch.

    Args:
        data: What `adding` makes.
        weights: Those of a network trained on `adding.net`; drawn from the seed 0 by default.
        config: Of `gradient_flow.net`: the cell, and how it starts.
    """
    network = nr.load(FLOW, weights, **config)
    gradient = network.grad("error", ["x"])(**data)
    return [float(norm) for norm in np.linalg.norm(gradient.astype(np.float64), axis=(0, 2))]
