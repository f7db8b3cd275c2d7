"""The optimizers of the language, by name; each follows its published formula."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.source import Span
from netruntime.train.update.building import build
from netruntime.train.update.optimizers.adam import LAMB, Adam, AdamW, NAdam
from netruntime.train.update.optimizers.adaptive import AdaDelta, AdaGrad, RMSProp
from netruntime.train.update.optimizers.base import MASTER, Optimizer
from netruntime.train.update.optimizers.lion import Lion
from netruntime.train.update.optimizers.sgd import SGD

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adadelta": AdaDelta,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": NAdam,
    "lamb": LAMB,
    "lion": Lion,
}

__all__ = [
    "LAMB",
    "MASTER",
    "OPTIMIZERS",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Lion",
    "NAdam",
    "Optimizer",
    "RMSProp",
    "make_optimizer",
]


def make_optimizer(name: str, arguments: Mapping[str, float | bool], span: Span | None = None) -> Optimizer:
    """The optimizer `name` with these arguments; the others have the defaults of its class.

    Raises `TrainingError` at `span`: E1080 for a value out of its range, E1081 for an unknown name or
    argument.
    """
    return build("an optimizer", OPTIMIZERS, name, arguments, span)
