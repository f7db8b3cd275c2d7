"""The call of an optimizer or a schedule of another framework in our words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netdsl import syntax as s
from netdsl.arrivals.translate import text_of
from netdsl.synonyms import OPTIMIZER_WORDS, RUN_LENGTHS, SCHEDULE_WORDS

_WEIGHTS = frozenset("params parameters trainable_variables trainable_weights optimizer model".split())
"""What an optimizer or a schedule is given first there, and does not need here."""
_NOTES = {
    "step_size": "`every` counts updates, and is one epoch by default: for {value} epochs "
    "give `every=` {value} times the updates of an epoch",
    "eta_min": "`final=` is the last rate as a fraction of the first",
    "min_lr": "`final=` is the last rate as a fraction of the first",
    "decay_steps": "a schedule knows the length of the run",
    **dict.fromkeys(RUN_LENGTHS, "a schedule knows the length of the run"),
}


_BETAS = re.compile(r"\bbetas=[\[(]([^,()]+),\s*([^,()]+)[\])]")


def recipe_call(
    name: str, takes: Sequence[str], arguments: Sequence[s.Argument]
) -> tuple[str, tuple[str, ...]]:
    """The recipe with the arguments that it takes, and notes about those that are left out."""
    parts: list[str] = []
    notes: list[str] = []
    for argument in arguments:
        text = text_of(argument.value)
        word = argument.name.text if argument.name is not None else None
        if word is None or word in _WEIGHTS:
            if text.replace("()", "").rpartition(".")[2] not in _WEIGHTS and word is None:
                parts.append(text)
            continue
        ours = OPTIMIZER_WORDS.get(word) or SCHEDULE_WORDS.get(word) or word
        if word in _NOTES:
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
