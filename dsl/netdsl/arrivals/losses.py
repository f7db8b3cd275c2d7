"""The call of a loss of another framework in our words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from netdsl import syntax as s
from netdsl.arrivals.training import loss_of, takes_probabilities
from netdsl.arrivals.translate import LOST, Saying, text_of

_SCORES = frozenset("logits y_pred input inputs predictions preds pred output outputs".split())
_LABELS = frozenset("labels label y_true target targets".split())
_OPTIONS = {
    "label_smoothing": "smoothing",
    "smoothing": "smoothing",
    "ignore_index": "ignore",
    "ignore_class": "ignore",
    "weight": "weights",
    "pos_weight": "positive",
    "delta": "delta",
    "beta": "delta",
    "margin": "margin",
    "blank": "blank",
}
LOSS_OPTIONS = {
    "cross_entropy": ("smoothing", "ignore", "weights"),
    "nll": ("ignore", "weights"),
    "binary_cross_entropy": ("positive",),
    "huber": ("delta",),
    "hinge": ("margin",),
    "cosine": ("margin",),
    "triplet": ("margin",),
    "ctc": ("blank",),
}
"""The options of the losses that have counterparts in other frameworks."""
_DEFAULTS = {
    "reduction": ("mean", "sum_over_batch_size", "auto"),
    "from_logits": ("true",),
    "weight": ("none",),
    "pos_weight": ("none",),
    "label_smoothing": ("0", "0.0"),
}
_WITHOUT_MEANING = frozenset("name size_average reduce dtype".split())


def loss_options(ours: str, named: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The options of a loss in our words, and notes on those that it does not have.

    Args:
        ours: Our loss.
        named: The options there, and their values as text.
    """
    options, notes = [], []
    for word, text in named.items():
        known, value = _OPTIONS.get(word), text
        if word in _WITHOUT_MEANING or text.strip("\"'").lower() in _DEFAULTS.get(word, ()):
            continue
        if known not in LOSS_OPTIONS.get(ours, ()):
            notes.append(LOST.get(word, f"`{word}` has no counterpart"))
            continue
        if known in ("weights", "positive") and (numbers := re.search(r"\[[^\[\]]*\]", text)) is not None:
            value = numbers[0]  # torch.tensor([1.0, 2.0])
        elif known == "weights":
            value = text if text.isidentifier() else "w"
            notes.append(f"`{value}` is a list with a number for each class, as `let {value} = [1.0, 2.0]`")
        if word == "beta":
            notes.append("smooth L1 is `huber` divided by `beta`")
        options.append(f"{known}={value}")
    return options, notes


def loss_call(name: str, arguments: Sequence[s.Argument], is_label_first: bool | None) -> Saying | None:
    """The loss applied to two tensors; None for other names, and without two tensors.

    Args:
        name: The name there, without its module.
        arguments: Those of the call, and of the construction before it.
        is_label_first: Whether the first tensor is the label; None if only the framework can say.
    """
    ours = loss_of(name)
    tensors = [text_of(a.value) for a in arguments if a.name is None]
    named = {a.name.text: text_of(a.value) for a in arguments if a.name is not None}
    scores = next((named[word] for word in named if word in _SCORES), None)
    labels = next((named[word] for word in named if word in _LABELS), None)
    if is_label_first is None:
        is_label_first = "rossentropy" in name  # the order and the spelling of Keras
    if len(tensors) >= 2 and is_label_first:
        tensors[:2] = [tensors[1], tensors[0]]
    both = [text for text in (scores, labels) if text is not None]
    tensors = [*both, *tensors] if scores is not None else [*tensors, *both]
    if ours is None or len(tensors) < 2:
        return None
    words = {w: text for w, text in named.items() if w not in _SCORES | _LABELS and w != "from_logits"}
    options, notes = loss_options(ours, words)
    if takes_probabilities(name) and named.get("from_logits") != "true":
        notes.insert(0, "it takes logits: leave out a `softmax` or `sigmoid` before it")
    source = "Keras" if "rossentropy" in name else "PyTorch"
    return Saying(f"{ours}({', '.join([*tensors, *options])})", tuple(notes), source, is_exact=not notes)
