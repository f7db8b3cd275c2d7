"""The ONNX operators LSTM, GRU and RNN on our weights, run by onnxruntime.

Ours are batch first and `[in, gates]`, in the gate orders of the papers; ONNX wants time first and
`[gates, in]`, in the orders iofc (LSTM) and zrh (GRU).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ops.harness import run_onnx

Array = np.ndarray[Any, Any]

ORDERS = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


def gates(kind: str, array: Array) -> Array:
    """The columns of `[.., gates * hidden]` in ONNX's order."""
    parts = np.split(array, len(ORDERS[kind]), axis=-1)
    return np.concatenate([parts[n] for n in ORDERS[kind]], axis=-1)


def onnx_recurrent(
    kind: str,
    x: Array,
    directions: Sequence[Mapping[str, Array]],
    *,
    direction: str = "forward",
    length: Array | None = None,
    first: Mapping[str, Array] | None = None,
    **attributes: Any,
) -> list[Array]:
    """The outputs `[B, T, directions * hidden]`, then the last states, each `[directions, B, hidden]`.

    Args:
        directions: The weights `W`, `U`, `b` (and `c`, `p`) of each direction.
        first: First states by name, for one direction.
    """
    hidden = directions[0]["U"].shape[0]
    W = np.stack([gates(kind, d["W"]).T for d in directions])
    R = np.stack([gates(kind, d["U"]).T for d in directions])
    zero = np.zeros(W.shape[1], x.dtype)
    B = np.stack(
        [np.concatenate([gates(kind, d.get("b", zero)), gates(kind, d.get("c", zero))]) for d in directions]
    )
    lengths = None if length is None else length.astype(np.int32)
    states = [first[name][None] for name in ("h", "c") if name in first] if first else []
    inputs = [x.transpose(1, 0, 2), W, R, B, lengths, *states]
    if "p" in directions[0]:
        inputs += [None] * (7 - len(inputs))
        inputs.append(np.stack([d["p"][[0, 2, 1]].reshape(-1) for d in directions]))
    count = 3 if kind == "LSTM" else 2
    results = run_onnx(kind, *inputs, outputs=count, direction=direction, hidden_size=hidden, **attributes)
    y = results[0].transpose(2, 0, 1, 3)  # [T, dirs, B, H] -> [B, T, dirs, H]
    return [y.reshape(y.shape[0], y.shape[1], -1), *results[1:]]
