"""The call of a loss of another framework in our words."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl import syntax as s
from netdsl.arrivals.training import loss_of, takes_probabilities
from netdsl.arrivals.translate import Saying, text_of

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
    options = [f"{_OPTIONS[word]}={text}" for word, text in named.items() if word in _OPTIONS]
    is_of_logits = takes_probabilities(name) and named.get("from_logits") != "true"
    notes = ("it takes logits: leave out a `softmax` or `sigmoid` before it",) if is_of_logits else ()
    source = "Keras" if "rossentropy" in name else "PyTorch"
    return Saying(f"{ours}({', '.join([*tensors, *options])})", notes, source, is_exact=not notes)
