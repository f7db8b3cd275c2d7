"""The call of an optimizer or a schedule of another framework in our words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netdsl.synonyms import OPTIMIZER_WORDS, RUN_LENGTHS, SCHEDULE_WORDS

Given = tuple[str | None, str]
"""An argument: its name, if it has one, and its value as text."""

_WEIGHTS = frozenset("params parameters trainable_variables trainable_weights optimizer model".split())
"""What an optimizer or a schedule is given first there, and does not need here."""
_NOTES = {
    "step_size": "`every` counts updates, and is one epoch by default: for {value} epochs "
    "give `every=` {value} times the updates of an epoch",
    "eta_min": "`final=` is the last rate as a fraction of the first",
    "min_lr": "`final=` is the last rate as a fraction of the first",
    **dict.fromkeys(
        ("lr", "initial_learning_rate", "max_lr"), "the rate is that of the optimizer: `lr={value}`"
    ),
    "decay_steps": "a schedule knows the length of the run",
    **dict.fromkeys(RUN_LENGTHS, "a schedule knows the length of the run"),
}


_BETAS = re.compile(r"\bbetas=[\[(]([^,()]+),\s*([^,()]+)[\])]")

_ORDERS = {
    "StepLR": ("optimizer", "step_size", "gamma"),
    "MultiStepLR": ("optimizer", "milestones", "gamma"),
    "ExponentialLR": ("optimizer", "gamma"),
    "CosineAnnealingLR": ("optimizer", "T_max", "eta_min"),
    "CosineAnnealingWarmRestarts": ("optimizer", "T_0", "T_mult", "eta_min"),
    "OneCycleLR": ("optimizer", "max_lr", "total_steps"),
    "LinearLR": ("optimizer", "start_factor", "end_factor", "total_iters"),
    "ConstantLR": ("optimizer", "factor", "total_iters"),
    "ReduceLROnPlateau": ("optimizer", "mode", "factor", "patience"),
    "ExponentialDecay": ("lr", "decay_steps", "decay_rate"),
    "CosineDecay": ("lr", "decay_steps", "final"),
}
"""The first arguments of the schedules of PyTorch and Keras, in their order."""
SCHEDULE_ARGUMENTS = {
    "constant": ("warmup",),
    "step": ("every", "factor", "warmup"),
    "exponential": ("factor", "every", "warmup"),
    "cosine": ("warmup", "final"),
    "linear": ("warmup", "final"),
    "one_cycle": ("warmup", "final"),
    "noam": ("warmup", "size"),
    "plateau": ("factor", "patience", "threshold", "final", "warmup"),
}
"""Our schedules, and what each takes."""


def in_their_order(name: str, arguments: Sequence[Given]) -> list[Given]:
    """The arguments of a schedule there, each with its name, where its order is known."""
    order = _ORDERS.get(name, ())
    return [
        (order[n] if word is None and n < len(order) else word, text)
        for n, (word, text) in enumerate(arguments)
    ]


def recipe_call(name: str, takes: Sequence[str], arguments: Sequence[Given]) -> tuple[str, tuple[str, ...]]:
    """The recipe with the arguments that it takes, and notes about those that are left out."""
    parts: list[str] = []
    notes: list[str] = []
    for word, text in arguments:
        if word is None or word in _WEIGHTS:
            if text.replace("()", "").rpartition(".")[2] not in _WEIGHTS and word is None:
                parts.append(text)
            continue
        ours = OPTIMIZER_WORDS.get(word) or SCHEDULE_WORDS.get(word) or word
        if word in _NOTES and word not in takes:
            notes.append(_NOTES[word].replace("{value}", text))
        elif ours in takes:
            parts.append(f"{ours}={text}")
        else:
            notes.append(f"`{word}` has no counterpart")
    call = f"{name}({', '.join(parts)})" if parts else name
    return call, tuple(dict.fromkeys(notes))


def in_our_words(arguments: str) -> str:
    """The arguments of an optimizer, as text, with their names as ours, and without its weights."""
    parts = []
    arguments = _BETAS.sub(r"beta1=\1, beta2=\2", arguments)
    for part in arguments.split(","):
        name, equal, value = part.partition("=")
        if not equal and name.strip().replace("()", "").rpartition(".")[2] in _WEIGHTS:
            continue
        parts.append(f"{OPTIMIZER_WORDS.get(name.strip(), name.strip())}{equal}{value.strip()}")
    return ", ".join(parts)
