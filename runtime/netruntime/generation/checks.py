"""Validates the arguments of generation."""

from __future__ import annotations

from collections.abc import Iterable
from io import IOBase
from typing import Any

import numpy as np

from netruntime.arguments import check_count, check_number
from netruntime.errors import GenerationError
from netruntime.files.arrays import Array, plain_array
from netruntime.generation.roles import Roles
from netruntime.generation.sampling import Sampling

MAX_BEAMS = 10_000
"""More beams than this are a mistake, and would fill the memory."""

MAX_LENGTH_PENALTY = 20
"""Beyond this, length alone decides, and its power overflows."""


def read_prompts(prompt: Any, roles: Roles) -> Array:
    """The prompts as i64 `[B, L]`. Raises `GenerationError` E1104."""
    try:
        ids = plain_array(prompt)
    except ValueError as wrong:
        help = "use prompts of equal length, or generate for each separately"
        raise GenerationError.make(
            "E1104", f"the prompt is not an array of ids: {wrong}", help=help
        ) from None
    ids = ids[None] if ids.ndim == 1 else ids
    if ids.ndim != 2 or ids.size == 0:
        shape = list(ids.shape)
        help = "start with a BOS token or with some text"
        raise GenerationError.make("E1104", f"the prompt has no tokens: its shape is {shape}", help=help)
    if ids.dtype.kind not in "iu":
        message = f"the prompt must be integers, but is {ids.dtype}"
        raise GenerationError.make("E1104", message, help="encode text as ids first")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= roles.vocabulary:
        unknown = low if low < 0 else high
        message = f"the prompt has the id {unknown}, but the model's ids are 0 to {roles.vocabulary - 1}"
        help = "use the tokenizer or vocabulary that the model was trained with"
        raise GenerationError.make("E1104", message, help=help)
    return ids.astype(np.int64)


def check_tokens(stop: Any) -> frozenset[int]:
    """The stop tokens as integers. Raises `NetError` E0870 for what is not a collection of ids."""
    is_list = isinstance(stop, Iterable) and not isinstance(stop, IOBase) and getattr(stop, "ndim", 1) > 0
    tokens = stop if is_list else [stop]
    return frozenset(check_count(token, "stop", 0) for token in tokens)


def check_counts(max_new: int, beams: int, stop: Any, roles: Roles) -> frozenset[int]:
    """The stop tokens. Raises `GenerationError` E1105 for counts and stop tokens out of range."""
    for name, value in {"max_new": max_new, "beams": beams}.items():
        if value < 1:
            raise GenerationError.make("E1105", f"`{name}` must be at least 1, but is {value}")
    if beams > MAX_BEAMS:
        raise GenerationError.make("E1105", f"`beams` must be at most {MAX_BEAMS:,}, but is {beams}")
    tokens = check_tokens(stop)
    for token in tokens:
        if not 0 <= token < roles.vocabulary:
            message = f"the stop token {token} is not one of the model's {roles.vocabulary} tokens"
            raise GenerationError.make("E1105", message)
    if beams > 1 and roles.spec.batch is None:
        help = "give the input a free batch axis, as in `ids: i32[B, T]`"
        raise GenerationError.make("E1105", "beam search needs a model with a free batch axis", help=help)
    return tokens


def check_search(
    sampling: Sampling, beams: int, length_penalty: float, *, slide: bool, limit: int | None
) -> None:
    """Raise E1105 for options that beam search does not take, or a length penalty out of range."""
    check_length_penalty(length_penalty)
    if beams > 1:
        check_slide(slide, limit)
        check_drawn(sampling)


def check_length_penalty(value: float) -> None:
    """Raise E1105 for a length penalty out of range."""
    if not abs(check_number(value, "length_penalty")) <= MAX_LENGTH_PENALTY:
        message = (
            f"`length_penalty` must be from {-MAX_LENGTH_PENALTY} to {MAX_LENGTH_PENALTY}, but is {value:g}"
        )
        raise GenerationError.make("E1105", message, help="0 ignores length; 1 favours long texts")


def check_slide(slide: bool, limit: int | None) -> None:
    """Raise E1105 for sliding together with beam search."""
    if slide and limit is not None:
        help = "use only one of the two"
        raise GenerationError.make(
            "E1105", "beam search cannot continue past the model's maximum length", help=help
        )


def check_drawn(sampling: Sampling) -> None:
    """Raise E1105 for sampling options together with beam search."""
    drawn = [name for name in ("top_k", "top_p") if getattr(sampling, name) is not None]
    drawn += ["temperature"] if sampling.temperature not in (0, 1) else []
    if drawn:
        message = f"`{drawn[0]}` is an option of sampling, and beam search does not sample"
        raise GenerationError.make("E1105", message, help="use only one of the two")


def within_limit(prompts: Array, max_new: int, roles: Roles) -> tuple[int, list[str]]:
    """How many new tokens fit the model's maximum length, and a notice if that is fewer than `max_new`."""
    length = prompts.shape[1]
    if roles.limit is None:
        return max_new, []
    if length > roles.limit:
        message = f"the prompt has {length} tokens, but the model's maximum length is {roles.limit}"
        raise GenerationError.make("E1104", message, help="shorten the prompt")
    room = roles.limit - length + 1
    if room >= max_new:
        return max_new, []
    notice = (
        f"the text ends after {room} new tokens, at the model's maximum length of {roles.limit}; "
        "--slide (in Python, slide=True) continues it"
    )
    return room, [notice]
