"""Verifies that a model is causal: logits must not depend on later tokens.

This is tested on a few random tokens: changing a later token must not change earlier logits, and the run
with caches must produce the logits of the run without.
"""

from __future__ import annotations

import numpy as np

from netruntime.errors import GenerationError
from netruntime.files.arrays import Array
from netruntime.generation.decoder import Decoder
from netruntime.generation.lengths import tested_length

LENGTH = 6
"""How many tokens are tested."""

AGREEMENT = 1e-4
"""The largest difference between the two runs, relative to the largest logit; 200 times for 16-bit floats."""

_CHANGE = 1e-6
"""The largest change of earlier logits that counts as rounding, relative to the largest logit."""


def verify(decoder: Decoder, rows: int, length: int) -> None:
    """Check a decoder on random tokens, at most `length` and usually `LENGTH`, for each of `rows` sequences.

    If the run with caches disagrees with the run without, the decoder continues without caches, and its
    `notice` says so.

    Raises:
        GenerationError: E1102 for a model that is not causal.
    """
    most = length if decoder.roles.limit is None else min(length, decoder.roles.limit)
    length = tested_length(decoder.network, decoder.roles, rows, most, LENGTH)
    if length < 2:
        return
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, decoder.roles.vocabulary, (rows, length))
    whole = _uncached(decoder, tokens)
    _check_causal(decoder, tokens, whole)
    if decoder.cached and not _agree(decoder, tokens, whole):
        decoder.restart(cached=False)
        decoder.notice = "the full sequence is recomputed for every token: caches would change the logits"
    else:
        decoder.restart()


def _uncached(decoder: Decoder, tokens: Array) -> Array:
    return decoder.fresh(cached=False).feed(tokens)


def _agree(decoder: Decoder, tokens: Array, whole: Array) -> bool:
    """Whether feeding half of the tokens at once, and then one after another, gives the same logits."""
    decoder.restart()
    half = tokens.shape[1] // 2
    found = [decoder.feed(tokens[:, :half])]
    found += [decoder.feed(tokens[:, n : n + 1]) for n in range(half, tokens.shape[1])]
    stepped = np.concatenate(found, axis=1)[:, -whole.shape[1] :]
    is_short = decoder.network.model.outputs[decoder.roles.logits].dtype.itemsize == 2
    allowed = AGREEMENT * (200 if is_short else 1) * _scale(whole)
    return bool(np.allclose(stepped, whole, rtol=0, atol=allowed, equal_nan=True))


def _scale(logits: Array) -> float:
    return float(np.abs(logits[np.isfinite(logits)]).max(initial=1e-30))


def _check_causal(decoder: Decoder, tokens: Array, whole: Array) -> None:
    at = tokens.shape[1] // 2
    if whole.shape[1] == 1 or decoder.roles.vocabulary < 2:
        return
    changed = tokens.copy()
    changed[:, at:] = (changed[:, at:] + 1) % decoder.roles.vocabulary
    other = _uncached(decoder, changed)
    before = np.abs(np.nan_to_num(other[:, :at]) - np.nan_to_num(whole[:, :at])).max(axis=(0, 2))
    moved = before > _CHANGE * _scale(whole)
    if moved.any():
        position = int(np.argmax(moved))
        message = (
            f"`{decoder.network.name}` is not causal: changing a token at position {at} or later changes "
            f"`{decoder.roles.logits}` at position {position}"
        )
        help = (
            "use `attention(.., causal=true)`, `EncoderLayer(.., causal=true)` or a keep-mask "
            "`causal_mask(T, T)`; a reversed scan is not causal either"
        )
        span = decoder.network.model.body.inputs[0].span
        raise GenerationError.make("E1102", message, span, help=help)
