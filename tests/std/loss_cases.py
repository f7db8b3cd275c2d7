"""The losses of the standard library: what each is called with, and the same by PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, Any]


def wave(*shape: int, phase: float = 0.0, scale: float = 2.0) -> Any:
    """Floats without a pattern, alike on every machine."""
    count = int(np.prod(shape))
    return (scale * np.sin(np.arange(count) * 1.7 + np.arange(count) ** 2 * 0.3 + phase)).reshape(shape)


def shares(*shape: int) -> Any:
    """Positive numbers that sum to 1 over the last axis."""
    weights = np.exp(wave(*shape, phase=1.0))
    return weights / weights.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class LossCase:
    """A loss in the language, its inputs, and the loss by PyTorch.

    Args:
        loss: The right side of `loss = ...`.
        types: The inputs as they are declared; those of floats are differentiated.
        torch: The same from `torch` and tensors by name.
    """

    name: str
    loss: str
    types: dict[str, str]
    arrays: Arrays = field(repr=False)
    torch: Callable[[Any, Any], Any] = field(repr=False)

    @property
    def text(self) -> str:
        """A file whose model hands its first input on, so that gradients are those of the inputs."""
        first, *rest = self.types.items()
        inputs = "\n".join(f"  input {name}: {type_}" for name, type_ in rest)
        head = f"model M({first[0]}_: {first[1]}) -> {first[0]}: {first[1]} {{ return {first[0]}_ }}"
        return f"net 1.0\n{head}\ntrain {{\n{inputs}\n  loss = {self.loss}\n}}\n"

    @property
    def first(self) -> str:
        return next(iter(self.types))

    @property
    def wrt(self) -> list[str]:
        return [name for name, type_ in self.types.items() if type_.startswith("f")]


LOGITS = {"x": wave(5, 4)}
CLASSES = {"label": np.array([3, 0, 2, 2, 1])}
TEXT = {"x": wave(2, 3, 5), "label": np.array([[1, -1, 4], [0, 2, -1]])}
CLASS_TYPES = {"x": "f64[B, 4]", "label": "i64[B]"}
TEXT_TYPES = {"x": "f64[B, T, 5]", "label": "i64[B, T]"}
SHARE_TYPES = {"x": "f64[B, 4]", "label": "f64[B, 4]"}
PAIR_TYPES = {"a": "f64[B, 6]", "b": "f64[B, 6]"}
PAIR = {"a": wave(4, 6), "b": wave(4, 6, phase=0.4)}
WEIGHTS = [0.5, 2.0, 1.0, 3.0]


def flat(v: Any) -> tuple[Any, Any]:
    return v["x"].reshape(-1, 5), v["label"].reshape(-1)


CASES = [
    LossCase(
        "cross_entropy",
        "cross_entropy(x, label)",
        CLASS_TYPES,
        LOGITS | CLASSES,
        lambda t, v: t.nn.functional.cross_entropy(v["x"], v["label"]),
    ),
    LossCase(
        "cross_entropy_of_extremes",
        "cross_entropy(x, label)",
        CLASS_TYPES,
        {"x": wave(5, 4, scale=800.0)} | CLASSES,
        lambda t, v: t.nn.functional.cross_entropy(v["x"], v["label"]),
    ),
    LossCase(
        "cross_entropy_of_text",
        "cross_entropy(x, label, ignore=-1)",
        TEXT_TYPES,
        TEXT,
        lambda t, v: t.nn.functional.cross_entropy(*flat(v), ignore_index=-1),
    ),
    LossCase(
        "cross_entropy_ignoring_no_class",
        "cross_entropy(x, label, ignore=100)",
        CLASS_TYPES,
        LOGITS | {"label": np.array([3, 100, 2, 100, 1])},
        lambda t, v: t.nn.functional.cross_entropy(v["x"], v["label"], ignore_index=100),
    ),
    LossCase(
        "cross_entropy_all",
        "cross_entropy(x, label, smoothing=0.1, ignore=-1, weights=[0.5, 2, 1, 3, 4])",
        TEXT_TYPES,
        TEXT,
        lambda t, v: t.nn.functional.cross_entropy(
            *flat(v),
            label_smoothing=0.1,
            ignore_index=-1,
            weight=t.tensor([0.5, 2, 1, 3, 4], dtype=t.float64),
        ),
    ),
    LossCase(
        "cross_entropy_smoothing",
        "cross_entropy(x, label, smoothing=0.2)",
        CLASS_TYPES,
        LOGITS | CLASSES,
        lambda t, v: t.nn.functional.cross_entropy(v["x"], v["label"], label_smoothing=0.2),
    ),
    LossCase(
        "cross_entropy_weights",
        f"cross_entropy(x, label, weights={WEIGHTS})",
        CLASS_TYPES,
        LOGITS | CLASSES,
        lambda t, v: t.nn.functional.cross_entropy(
            v["x"], v["label"], weight=t.tensor(WEIGHTS, dtype=t.float64)
        ),
    ),
    LossCase(
        "cross_entropy_shares",
        f"cross_entropy(x, label, smoothing=0.1, weights={WEIGHTS})",
        SHARE_TYPES,
        LOGITS | {"label": shares(5, 4)},
        lambda t, v: t.nn.functional.cross_entropy(
            v["x"], v["label"], label_smoothing=0.1, weight=t.tensor(WEIGHTS, dtype=t.float64)
        ),
    ),
    LossCase(
        "nll",
        f"nll(x, label, ignore=2, weights={WEIGHTS})",
        CLASS_TYPES,
        LOGITS | CLASSES,
        lambda t, v: t.nn.functional.nll_loss(
            v["x"], v["label"], ignore_index=2, weight=t.tensor(WEIGHTS, dtype=t.float64)
        ),
    ),
    LossCase(
        "binary_cross_entropy",
        "binary_cross_entropy(x, label)",
        SHARE_TYPES,
        {"x": wave(5, 4, scale=50.0), "label": shares(5, 4)},
        lambda t, v: t.nn.functional.binary_cross_entropy_with_logits(v["x"], v["label"]),
    ),
    LossCase(
        "binary_cross_entropy_positive",
        f"binary_cross_entropy(x, label, positive={WEIGHTS})",
        SHARE_TYPES,
        LOGITS | {"label": shares(5, 4)},
        lambda t, v: t.nn.functional.binary_cross_entropy_with_logits(
            v["x"], v["label"], pos_weight=t.tensor(WEIGHTS, dtype=t.float64)
        ),
    ),
    LossCase(
        "binary_cross_entropy_one_weight",
        "binary_cross_entropy(x, label, positive=3)",
        {"x": "f64[B, 4]", "label": "i64[B, 4]"},
        LOGITS | {"label": np.arange(20).reshape(5, 4) % 3 % 2},
        lambda t, v: t.nn.functional.binary_cross_entropy_with_logits(
            v["x"], v["label"].double(), pos_weight=t.tensor(3.0, dtype=t.float64)
        ),
    ),
    LossCase("mse", "mse(a, b)", PAIR_TYPES, PAIR, lambda t, v: t.nn.functional.mse_loss(v["a"], v["b"])),
    LossCase("l1", "l1(a, b)", PAIR_TYPES, PAIR, lambda t, v: t.nn.functional.l1_loss(v["a"], v["b"])),
    LossCase(
        "huber",
        "huber(a, b, delta=0.4)",
        PAIR_TYPES,
        PAIR,
        lambda t, v: t.nn.functional.huber_loss(v["a"], v["b"], delta=0.4),
    ),
    LossCase(
        "kl_divergence",
        "kl_divergence(x, label)",
        SHARE_TYPES,
        {"x": np.log(shares(5, 4)[::-1]), "label": np.where(np.eye(5, 4) > 0, 0.0, shares(5, 4))},
        lambda t, v: t.nn.functional.kl_div(v["x"], v["label"].detach(), reduction="batchmean"),
    ),
    LossCase(
        "hinge",
        "hinge(x, side, margin=0.7)",
        {"x": "f64[B, 4]", "side": "i64[B, 4]"},
        LOGITS | {"side": np.where(wave(5, 4, phase=2.0) > 0, 1, -1)},
        lambda t, v: (0.7 - v["side"] * v["x"]).clamp(min=0).mean(),
    ),
    LossCase(
        "cosine",
        "cosine(a, b, same, margin=0.2)",
        PAIR_TYPES | {"same": "i64[B]"},
        PAIR | {"same": np.array([1, -1, 1, -1])},
        lambda t, v: t.nn.functional.cosine_embedding_loss(v["a"], v["b"], v["same"], margin=0.2),
    ),
    LossCase(
        "cosine_of_pairs",
        "cosine(a, b)",
        PAIR_TYPES,
        PAIR,
        lambda t, v: (1 - t.nn.functional.cosine_similarity(v["a"], v["b"])).mean(),
    ),
    LossCase(
        "triplet",
        "triplet(a, b, c, margin=4.0)",
        PAIR_TYPES | {"c": "f64[B, 6]"},
        PAIR | {"c": wave(4, 6, phase=0.8)},
        lambda t, v: t.nn.functional.triplet_margin_loss(v["a"], v["b"], v["c"], margin=4.0),
    ),
    LossCase(
        "contrastive",
        "contrastive(a, b, same, margin=4.0)",
        PAIR_TYPES | {"same": "i64[B]"},
        PAIR | {"same": np.array([1, 0, 0, 1])},
        lambda t, v: (
            t.where(
                v["same"] > 0,
                (d := t.nn.functional.pairwise_distance(v["a"], v["b"])) ** 2,
                (4.0 - d).clamp(min=0) ** 2,
            ).mean()
            / 2
        ),
    ),
    LossCase(
        "info_nce",
        "contrastive(a, b, temperature=0.5)",
        PAIR_TYPES,
        PAIR,
        lambda t, v: t.nn.functional.cross_entropy(
            t.nn.functional.normalize(v["a"]) @ t.nn.functional.normalize(v["b"]).T / 0.5, t.arange(4)
        ),
    ),
    LossCase(
        "ctc",
        "ctc(x, label)",
        {"x": "f64[B, T, 4]", "label": "i64[B, S]"},
        {"x": wave(2, 6, 4), "label": np.array([[1, 1, 3], [2, 3, 1]])},
        lambda t, v: ctc(t, v, [6, 6], [3, 3], 0),
    ),
    LossCase(
        "ctc_of_lengths",
        "ctc(x, label, steps, count, blank=3)",
        {"x": "f64[B, T, 4]", "label": "i64[B, S]", "steps": "i32[B]", "count": "i32[B]"},
        {
            "x": wave(3, 6, 4),
            "label": np.array([[1, 1, 0], [2, -1, -1], [0, -1, -1]]),
            "steps": np.array([6, 4, 5], np.int32),
            "count": np.array([3, 1, 0], np.int32),
        },
        lambda t, v: ctc(t, v, [6, 4, 5], [3, 1, 0], 3),
    ),
]


def ctc(torch: Any, v: Any, lengths: list[int], counts: list[int], blank: int) -> Any:
    chance = v["x"].log_softmax(-1).transpose(0, 1)
    return torch.nn.functional.ctc_loss(chance, v["label"].clamp(min=0), lengths, counts, blank=blank)
