"""A small problem with several weights, and the settings under which each optimizer is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netruntime.train.update.optimizers import Optimizer

Array = np.ndarray[Any, Any]
STEPS = 50
KEPT = (1, 2, 5, 10, 25, 50)
"""The steps after which the recorded trajectories hold the weights."""

COMMON = {"lr": 0.03, "weight_decay": 0.2}

TORCH: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.05}),
    "sgd momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "sgd nesterov": ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adagrad decay": ("Adagrad", {**COMMON, "eps": 1e-6}),
    "rmsprop": ("RMSprop", {"lr": 0.02}),
    "rmsprop momentum": ("RMSprop", {**COMMON, "alpha": 0.9, "momentum": 0.7, "eps": 1e-5}),
    "adadelta": ("Adadelta", {}),
    "adadelta decay": ("Adadelta", {"lr": 0.7, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    "adam": ("Adam", {}),
    "adam decay": ("Adam", {**COMMON, "betas": (0.8, 0.95), "eps": 1e-4}),
    "adam decoupled": ("Adam", {**COMMON, "decoupled_weight_decay": True}),
    "adamw": ("AdamW", {"lr": 0.03}),
    "adamw decay": ("AdamW", {**COMMON, "betas": (0.7, 0.9)}),
    "nadam": ("NAdam", {}),
    "nadam decay": ("NAdam", {**COMMON, "betas": (0.8, 0.95)}),
    "nadam decoupled": ("NAdam", {**COMMON, "lr": 0.01, "decoupled_weight_decay": True}),
}
"""The class and the arguments of PyTorch for each case; ours follow by `our_arguments`."""

OTHER_NAMES = {"alpha": "decay", "rho": "decay", "decoupled_weight_decay": "decoupled"}


def our_arguments(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """PyTorch's arguments under our names."""
    ours = {OTHER_NAMES.get(name, name): value for name, value in theirs.items() if name != "betas"}
    if "betas" in theirs:
        ours["beta1"], ours["beta2"] = theirs["betas"]
    return ours


def first_weights() -> dict[str, Array]:
    """Two layers and a scalar, 40 numbers in all, in f64."""
    rng = np.random.default_rng(5)
    shapes: dict[str, tuple[int, ...]] = {"a.w": (5, 4), "a.b": (4,), "b.w": (4, 3), "b.b": (3,), "scale": ()}
    return {name: np.asarray(rng.normal(0, 0.7, shape)) for name, shape in shapes.items()}


def data() -> tuple[Array, Array]:
    rng = np.random.default_rng(6)
    return rng.normal(size=(8, 5)), rng.normal(size=(8, 3))


def gradients(w: Mapping[str, Array]) -> dict[str, Array]:
    """Of `mean((scale (tanh(x a.w + a.b) b.w + b.b) - y)²)`, by hand."""
    x, y = data()
    hidden = np.tanh(x @ w["a.w"] + w["a.b"])
    out = hidden @ w["b.w"] + w["b.b"]
    d = 2 * (w["scale"] * out - y) / y.size
    d_out = d * w["scale"]
    d_hidden = (d_out @ w["b.w"].T) * (1 - hidden**2)
    return {
        "a.w": x.T @ d_hidden,
        "a.b": d_hidden.sum(0),
        "b.w": hidden.T @ d_out,
        "b.b": d_out.sum(0),
        "scale": np.asarray((d * out).sum()),
    }


Gradients = Callable[[Mapping[str, Array]], dict[str, Array]]


def trajectory(
    optimizer: Optimizer, steps: int = STEPS, gradients: Gradients = gradients, xp: Any = np
) -> list[dict[str, Array]]:
    """The weights after each of the first `steps` steps."""
    weights = {name: xp.asarray(value) for name, value in first_weights().items()}
    states = {name: optimizer.init(xp, weight) for name, weight in weights.items()}
    path = []
    for step in range(1, steps + 1):
        grads = gradients(weights)
        for name, weight in weights.items():
            optimizer.update_weight(
                xp,
                weight,
                grads[name],
                states[name],
                step=step,
                lr=optimizer.lr,
                decay=optimizer.weight_decay,
            )
        path.append({name: weight.copy() for name, weight in weights.items()})
    return path


def flat(weights: Mapping[str, Any]) -> Array:
    """All weights in one vector."""
    return np.concatenate([np.asarray(value).reshape(-1) for value in weights.values()])
