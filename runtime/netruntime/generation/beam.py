"""Beam search: keeps the `width` most likely prefixes of each length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from netdsl.immutable import immutable
from netruntime.files.arrays import Array
from netruntime.generation.sampling import ban, check_logits, log_softmax, penalise_repeats


class NextTokenModel(Protocol):
    """A model that scores the next token; see `decoder.Decoder`."""

    def next(self, tokens: Array) -> Array: ...
    def take(self, rows: Sequence[int]) -> None: ...


@immutable
class BeamSearch:
    """Settings of a beam search. `width` prefixes are kept; a stop token ends a sequence of at least
    `min_new` tokens.

    Sequences are ranked by their log-probability divided by `((5 + n) / 6) ** length_penalty`, where n counts
    the new tokens, the stop token included: 0 prefers short sequences, 0.6 to 1 is usual for translation
    (Wu et al. 2016, section 7).
    """

    width: int
    max_new: int
    stop: frozenset[int] = frozenset()
    length_penalty: float = 0.0
    repetition_penalty: float = 1.0
    min_new: int = 0

    def score(self, log_prob: float, length: int) -> float:
        """The score by which sequences are ranked."""
        return float(log_prob / ((5 + length) / 6) ** self.length_penalty)


@immutable
class Hypothesis:
    """A sequence of new tokens, its score, and whether a stop token ended it.

    `log_prob` is its log-probability under the model itself, without the search's penalties.
    """

    tokens: tuple[int, ...]
    log_prob: float
    score: float
    stopped: bool


@dataclass
class _Row:
    """The search of one prompt: its beams, and its finished hypotheses.

    Of each beam, `totals` has the log-probability that the search goes by, `own` that of the model itself.
    """

    search: BeamSearch
    totals: list[float]
    tokens: list[tuple[int, ...]]
    own: list[float]
    ended: list[Hypothesis] = field(default_factory=list)

    def advance(self, log_probs: Array, own: Array, last: bool) -> list[tuple[int, int]]:
        """Extend the beams by one token.

        Args:
            log_probs: The log-probabilities `[width, V]` of the next token that the search goes by.
            own: Those of the model itself, without penalties and held-back tokens.

        Returns, for each new beam, the beam that it extends and the token.
        """
        kept: list[tuple[int, int, float, float]] = []
        for beam, token, total in self._candidates(log_probs):
            log_prob = self.own[beam] + float(own[beam, token])
            if token in self.search.stop:
                self._end((*self.tokens[beam], token), total, log_prob, stopped=True)
            elif len(kept) < self.search.width:
                kept.append((beam, token, total, log_prob))
        if last:
            for beam, token, total, log_prob in kept:
                self._end((*self.tokens[beam], token), total, log_prob, stopped=False)
        missing = self.search.width - len(kept)
        kept += [(0, 0, -np.inf, -np.inf)] * missing
        self.tokens = [(*self.tokens[beam], token) for beam, token, _, _ in kept]
        self.totals = [total for _, _, total, _ in kept]
        self.own = [log_prob for _, _, _, log_prob in kept]
        return [(beam, token) for beam, token, _, _ in kept]

    def _candidates(self, log_probs: Array) -> list[tuple[int, int, float]]:
        """The most likely continuations, best first: enough that `width` of them are not stop tokens."""
        size = log_probs.shape[1]
        totals = (np.array(self.totals)[:, None] + log_probs).reshape(-1)
        count = min(self.search.width * (1 + len(self.search.stop)), len(totals))
        best = np.argpartition(-totals, count - 1)[:count]
        ordered = best[np.lexsort((best, -totals[best]))]
        return [(int(n) // size, int(n) % size, float(totals[n])) for n in ordered if np.isfinite(totals[n])]

    def _end(self, tokens: tuple[int, ...], total: float, log_prob: float, stopped: bool) -> None:
        hypothesis = Hypothesis(tokens, log_prob, self.search.score(total, len(tokens)), stopped)
        self.ended = sorted([*self.ended, hypothesis], key=lambda h: -h.score)[: self.search.width]

    @property
    def done(self) -> bool:
        """Whether no unfinished beam can beat the finished hypotheses."""
        best = max(self.totals)
        if best == -np.inf:
            return True
        lengths = (len(self.tokens[0]) + 1, self.search.max_new)
        hope = max(self.search.score(best, length) for length in lengths)
        return len(self.ended) == self.search.width and hope <= self.ended[-1].score


def beam_search(model: NextTokenModel, prompts: Array, search: BeamSearch) -> list[list[Hypothesis]]:
    """The best sequences after each prompt, best first, at most `width` of them.

    Args:
        prompts: i64 `[B, L]`.

    Raises:
        GenerationError: E1107 where the logits are not finite.
    """
    width, count = search.width, len(prompts)
    logits = np.repeat(model.next(prompts), width, axis=0)
    model.take([row for row in range(count) for _ in range(width)])
    start = [0.0] + [-np.inf] * (width - 1)
    rows = [_Row(search, start, [()] * width, [0.0] * width) for _ in range(count)]
    for step in range(1, search.max_new + 1):
        check_logits(logits)
        seen = _seen(prompts, rows)
        changed = penalise_repeats(logits, seen, search.repetition_penalty)
        if step <= search.min_new:
            changed = ban(changed, sorted(search.stop))
            check_logits(changed)
        log_probs = log_softmax(changed).reshape(count, width, -1)
        own = log_softmax(logits).reshape(count, width, -1)
        last = step == search.max_new
        chosen = [row.advance(log_probs[n], own[n], last) for n, row in enumerate(rows)]
        if last or all(row.done for row in rows):
            break
        model.take([n * width + beam for n, beams in enumerate(chosen) for beam, _ in beams])
        logits = model.next(np.array([[token] for beams in chosen for _, token in beams], np.int64))
    return [row.ended for row in rows]


def _seen(prompts: Array, rows: Sequence[_Row]) -> Array:
    """The prompt and the new tokens of every beam."""
    width = len(rows[0].tokens)
    new = np.array([tokens for row in rows for tokens in row.tokens], np.int64).reshape(len(rows) * width, -1)
    return np.concatenate([np.repeat(prompts, width, axis=0), new], axis=1)
