"""What may be wrong with what is asked of generation, and the words for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from netruntime.errors import GenerationError
from netruntime.generation.roles import Roles
from netruntime.generation.sampling import Array, Sampling

MAX_LENGTH_PENALTY = 20
"""Beyond, the length alone decides, and its power leaves the range of floats."""


def read_prompts(prompt: Any, roles: Roles) -> Array:
    """The prompts as i64 `[B, L]`. Raises `GenerationError` E1104."""
    ids = np.asarray(prompt.get() if hasattr(prompt, "get") else prompt)
    ids = ids[None] if ids.ndim == 1 else ids
    if ids.ndim != 2 or ids.size == 0:
        shape = list(ids.shape)
        help = "begin with a token that stands for the beginning, or with some text"
        raise GenerationError.make("E1104", f"the prompt has no tokens: its shape is {shape}", help=help)
    if ids.dtype.kind not in "iu":
        message = f"the prompt is {ids.dtype}, and ids are integers"
        raise GenerationError.make("E1104", message, help="turn text into ids first")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= roles.vocabulary:
        wrong = low if low < 0 else high
        message = f"the prompt has the id {wrong}, and the model has the ids 0 to {roles.vocabulary - 1}"
        help = "the tokenizer or the vocabulary is not the one that the model was trained with"
        raise GenerationError.make("E1104", message, help=help)
    return ids.astype(np.int64)


def check_counts(max_new: int, beams: int, stop: Collection[int], roles: Roles) -> None:
    """Raise `GenerationError` E1105 for counts and stop tokens that the model cannot do."""
    for name, value in {"max_new": max_new, "beams": beams}.items():
        if value < 1:
            raise GenerationError.make("E1105", f"`{name}` is {value}, and it is 1 or more")
    for token in stop:
        if not 0 <= token < roles.vocabulary:
            message = f"the stop token {token} is not one of the model's {roles.vocabulary} tokens"
            raise GenerationError.make("E1105", message)
    if beams > 1 and roles.course.batch is None:
        help = "give the input a free batch axis, as in `ids: i32[B, T]`"
        raise GenerationError.make("E1105", "beam search needs a model with a free batch", help=help)


def check_length_penalty(value: float) -> None:
    """Raise E1105 for a length penalty that the score of no sequence can be divided by."""
    if not abs(value) <= MAX_LENGTH_PENALTY:
        message = (
            f"`length_penalty` is {value:g}, and it is from {-MAX_LENGTH_PENALTY} to {MAX_LENGTH_PENALTY}"
        )
        raise GenerationError.make("E1105", message, help="0 leaves lengths alone, and 1 favours long texts")


def check_slide(slide: bool, beams: int, roles: Roles) -> None:
    """Raise E1105 where texts are to go on past the positions that beams share."""
    if slide and beams > 1 and roles.limit is not None:
        help = "leave one of the two out"
        raise GenerationError.make(
            "E1105", "beam search does not go on past the model's positions", help=help
        )


def check_drawn(sampling: Sampling) -> None:
    """Raise E1105 where tokens are to be drawn and searched for at once."""
    drawn = [name for name in ("top_k", "top_p") if getattr(sampling, name) is not None]
    drawn += ["temperature"] if sampling.temperature not in (0, 1) else []
    if drawn:
        message = f"beam search draws nothing, and `{drawn[0]}` says how to draw"
        raise GenerationError.make("E1105", message, help="leave one of the two out")


def within_limit(prompts: Array, max_new: int, roles: Roles) -> tuple[int, list[str]]:
    """How many tokens the model has positions for; a word about it where they are fewer than asked."""
    length = prompts.shape[1]
    if roles.limit is None:
        return max_new, []
    if length > roles.limit:
        message = f"the prompt has {length} tokens, and the model has positions for {roles.limit}"
        raise GenerationError.make("E1104", message, help="shorten the prompt")
    room = roles.limit - length + 1
    if room >= max_new:
        return max_new, []
    told = f"the text ends after {room} new tokens, as the model has {roles.limit} positions; `slide` goes on"
    return room, [told]
