"""From logits to the next token: penalties, filters and sampling.

Everything here is a pure function of NumPy arrays. Logits are `[B, V]`: unnormalised
log-probabilities of every token for each row. A banned token has the score `-inf`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from netdsl.immutable import immutable
from netruntime.arguments import check_count, check_number
from netruntime.errors import GenerationError
from netruntime.files.arrays import Array


@immutable
class Sampling:
    """How the next token is chosen. Filters apply in the order of the fields.

    `repetition_penalty` divides the positive scores of tokens seen before, and multiplies the negative
    ones (Keskar et al. 2019); 1 changes nothing. `temperature` divides all scores; 0 always takes the most
    likely token. `top_k` keeps the k most likely tokens, and `top_p` the fewest whose probabilities add
    up to p (Holtzman et al. 2020). Stop tokens are banned before `min_new` tokens.
    """

    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_new: int = 0

    def __post_init__(self) -> None:
        """Raise `GenerationError` E1105 for a number out of range, E0870 for what is not a number."""
        for name in ("repetition_penalty", "temperature", "top_p"):
            if name != "top_p" or self.top_p is not None:
                check_number(getattr(self, name), name)
        for name in ("min_new", "top_k"):
            if getattr(self, name) is not None:
                check_count(getattr(self, name), name)
        _check("repetition_penalty", self.repetition_penalty, self.repetition_penalty > 0, "above 0")
        _check("temperature", self.temperature, self.temperature >= 0, "0 or more")
        _check("min_new", self.min_new, self.min_new >= 0, "0 or more")
        if self.top_k is not None:
            _check("top_k", self.top_k, self.top_k >= 1, "1 or more")
        if self.top_p is not None:
            _check("top_p", self.top_p, 0 < self.top_p <= 1, "above 0 and at most 1")

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.temperature == 0


def _check(name: str, value: float, fits: bool, range_: str) -> None:
    if not fits or not math.isfinite(float(value)):
        raise GenerationError.make("E1105", f"`{name}` must be {range_}, but is {value:g}")


def choose(logits: Array, sampling: Sampling, rng: np.random.Generator) -> Array:
    """The next token of every row, i64 `[B]`, from logits that `penalise_repeats` and `ban` have changed.

    Raises `GenerationError` E1107 where a row has NaN, or no token left.
    """
    check_logits(logits)
    if sampling.greedy:
        return np.asarray(np.argmax(logits, axis=-1))
    scores = logits.astype(np.float64) / sampling.temperature
    if sampling.top_k is not None:
        scores = keep_top_k(scores, sampling.top_k)
    if sampling.top_p is not None:
        scores = keep_top_p(scores, sampling.top_p)
    return draw_tokens(scores, rng)


def check_logits(logits: Array) -> None:
    """Raise `GenerationError` E1107 where a row has NaN or +infinity, or no finite score."""
    if not np.isfinite(logits.max(axis=-1)).all():  # the largest is NaN if one is
        help = "`netrun run --check-finite` finds the line that makes the first such value"
        raise GenerationError.make("E1107", "the logits of the next token are not finite", help=help)


def penalise_repeats(logits: Array, seen: Array, penalty: float) -> Array:
    """The logits with those of the tokens in `seen`, `[B, t]`, made less likely by `penalty`.

    Source: Keskar et al. 2019, section 4.1, with negative scores multiplied, as published code does.
    """
    if penalty == 1.0 or seen.shape[1] == 0:
        return logits
    changed = logits.copy()
    scores = np.take_along_axis(logits, seen, axis=1)
    np.put_along_axis(changed, seen, np.where(scores < 0, scores * penalty, scores / penalty), axis=1)
    return changed


def ban(logits: Array, tokens: Sequence[int]) -> Array:
    """The logits with the scores of some tokens set to `-inf`.

    Raises `GenerationError` E1105 where the others have no score, so that no token is left.
    """
    if not tokens:
        return logits
    changed = logits.copy()
    changed[:, list(tokens)] = -np.inf
    if not np.isfinite(changed).any(axis=-1).all() and np.isfinite(logits).any(axis=-1).all():
        message = "`min_new` rules out the stop tokens, and no other token has a finite score"
        raise GenerationError.make("E1105", message, help="use `min_new` 0, or fewer stop tokens")
    return changed


def keep_top_k(logits: Array, k: int) -> Array:
    """The logits with all but the `k` largest of each row set to `-inf`; ties with the k-th stay."""
    if k >= logits.shape[-1]:
        return logits
    least = np.partition(logits, -k, axis=-1)[:, -k, None]
    return np.where(logits < least, -np.inf, logits)


def keep_top_p(logits: Array, p: float) -> Array:
    """The logits of the fewest tokens whose probabilities add up to at least `p`; the rest are `-inf`.

    The most likely token always stays. Source: Holtzman et al. 2020, section 3.1.
    """
    order = np.argsort(-logits, axis=-1, kind="stable")
    ranked = np.take_along_axis(np.exp(log_softmax(logits)), order, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked
    dropped = before >= p
    dropped[:, 0] = False
    changed = np.take_along_axis(logits, order, axis=-1)
    changed[dropped] = -np.inf
    result = np.empty_like(changed)
    np.put_along_axis(result, order, changed, axis=-1)
    return result


def log_softmax(logits: Array) -> Array:
    """The log-probabilities, f64."""
    wide = logits.astype(np.float64)
    wide = wide - wide.max(axis=-1, keepdims=True)
    result: Array = wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return result


def log_probs_of(logits: Array, tokens: Array) -> Array:
    """The log-probability of one token of each row, f64 `[B]`."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    scores = np.take_along_axis(wide, tokens[:, None], axis=1)[:, 0]
    result: Array = scores - np.log(np.exp(wide, out=wide).sum(axis=-1))
    return result


def draw_tokens(logits: Array, rng: np.random.Generator) -> Array:
    """A token for each row, drawn by its probability: i64 `[B]`."""
    sums = np.cumsum(np.exp(log_softmax(logits)), axis=-1)
    points = rng.random((len(logits), 1)) * sums[:, -1:]
    return np.asarray(np.argmax(sums > points, axis=-1))
