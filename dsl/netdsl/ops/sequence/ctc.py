"""Connectionist temporal classification: the probability of a label sequence, summed over all alignments."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    Example,
    Module,
    Op,
    OpError,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import could_equal, need_float, need_int
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics.checks import require
from netdsl.ops.numerics.functions import widen
from netdsl.types import TensorType, shape_text, tensor


@immutable
class _Ctc(Op):
    """Base of the loss and its derivative: their inputs, and the dynamic programme over the alignments.

    The states of a sequence are its labels with blanks before, between and after them: `2*S + 1`.
    """

    category = "plain"

    blank: int = 0

    def _check(
        self,
        log_probs: TensorType,
        label: TensorType,
        length: TensorType | None,
        label_length: TensorType | None,
    ) -> None:
        need_float(log_probs, "log_probs")
        need_int(label, "label")
        if log_probs.rank != 3 or label.rank != 2:
            raise OpError(
                f"needs `log_probs` [B, T, C] and `label` [B, S], but got {log_probs} and {label}",
                at=["log_probs", "label"],
            )
        for name, kind in (("label", label), ("length", length), ("label_length", label_length)):
            if kind is None:
                continue
            need_int(kind, name)
            if name != "label" and kind.rank != 1:
                raise OpError(f"needs `{name}` [B], but got {kind}", at=[name])
            if not could_equal(kind.shape[0], log_probs.shape[0]):
                raise OpError(
                    f"needs `{name}` for {log_probs.shape[0]} sequences, but got {shape_text(kind.shape)}",
                    at=[("log_probs", 0), (name, 0)],
                )
        if self.blank < 0 or log_probs.shape[2].compare(self.blank) in (-1, 0):
            message = f"needs `blank` among {log_probs.shape[2]} classes, but got {self.blank}"
            raise OpError(message, attribute="blank")


@immutable
class _Walk:
    """A prepared batch: the scores of the states at every step, and the transitions between states.

    Attributes:
        scores: Log-probabilities [B, T, N] of the states' classes.
        states: The classes [B, N] of the states.
        skips: Whether a state can follow the state two before it, [B, N].
        last: The last state of each sequence, the blank at its end: [B].
        length: The number of steps of each sequence, [B].
    """

    scores: Array
    states: Array
    skips: Array
    last: Array
    length: Array


def _walk(
    xp: Module, blank: int, log_probs: Array, label: Array, length: Array | None, label_length: Array | None
) -> _Walk:
    batch, steps, classes = log_probs.shape
    most = label.shape[1]
    length = _lengths(xp, length, batch, steps, "length")
    count = _lengths(xp, label_length, batch, most, "label_length")
    used = xp.arange(most) < count[:, None]
    wrong = used & ((label < 0) | (label >= classes) | (label == blank))

    def describe() -> str:
        row, place = (int(i[0]) for i in xp.nonzero(wrong))
        return (
            f"label {int(label[row, place])} of sequence {row} is not a label: there are "
            f"{classes} classes, and {blank} is the blank"
        )

    require(xp, wrong, describe)
    states = xp.full((batch, 2 * most + 1), blank, dtype=xp.int64)
    states[:, 1::2] = xp.where(used, label, blank)
    skips = xp.zeros(states.shape, dtype=bool)
    skips[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    rows = xp.arange(batch)[:, None, None]
    scores = log_probs[rows, xp.arange(steps)[None, :, None], states[:, None, :]]
    return _Walk(scores, states, skips, 2 * count, length)


def _lengths(xp: Module, lengths: Array | None, batch: int, most: int, name: str) -> Array:
    if lengths is None:
        return xp.full((batch,), most, dtype=xp.int64)
    wrong = (lengths < 0) | (lengths > most)

    def describe() -> str:
        row = int(xp.argmax(wrong))
        return f"`{name}` of sequence {row} is {int(lengths[row])}, but must be from 0 to {most}"

    require(xp, wrong, describe)
    return lengths.astype(xp.int64)


def _ends(xp: Module, walk: _Walk) -> Array:
    """0 for the final states of a sequence, which are its last label and the blank after it; else -inf."""
    place = xp.arange(walk.states.shape[1])
    last = walk.last[:, None]
    return xp.where((place == last) | ((place == last - 1) & (last > 0)), 0.0, -xp.inf)


def _forward(xp: Module, walk: _Walk) -> Array:
    """Forward log-probabilities [B, T, N]: of being in a state after a step, over all paths to it.

    After the end of a sequence they stay constant.
    """
    batch, steps, count = walk.scores.shape
    alpha = xp.full((batch, steps, count), -xp.inf, dtype=walk.scores.dtype)
    if not steps:
        return alpha
    alpha[:, 0, :2] = walk.scores[:, 0, :2]
    for t in range(1, steps):
        before = alpha[:, t - 1]
        total = before.copy()
        total[:, 1:] = xp.logaddexp(total[:, 1:], before[:, :-1])
        skipped = xp.where(walk.skips[:, 2:], before[:, :-2], -xp.inf)
        total[:, 2:] = xp.logaddexp(total[:, 2:], skipped)
        alpha[:, t] = xp.where(t < walk.length[:, None], total + walk.scores[:, t], before)
    return alpha


def _backward(xp: Module, walk: _Walk) -> Array:
    """Backward log-probabilities [B, T, N]: of the rest of the sequence, from a state at a step."""
    batch, steps, count = walk.scores.shape
    ends = _ends(xp, walk).astype(walk.scores.dtype)
    beta = xp.empty((batch, steps, count), dtype=walk.scores.dtype)
    after = ends
    for t in range(steps - 1, -1, -1):
        beta[:, t] = xp.where(t >= walk.length[:, None] - 1, ends, after)
        seen = beta[:, t] + walk.scores[:, t]
        after = seen.copy()
        after[:, :-1] = xp.logaddexp(after[:, :-1], seen[:, 1:])
        skipped = xp.where(walk.skips[:, 2:], seen[:, 2:], -xp.inf)
        after[:, :-2] = xp.logaddexp(after[:, :-2], skipped)
    return beta


def _log_likelihood(xp: Module, walk: _Walk, alpha: Array) -> Array:
    """The log-likelihood [B] of each label sequence; without steps, only the empty one is possible."""
    steps = alpha.shape[1]
    empty = xp.where(walk.last == 0, 0.0, -xp.inf)
    if not steps:
        return empty.astype(alpha.dtype)
    final = alpha[:, -1] + _ends(xp, walk)
    top = xp.max(final, axis=1)
    shift = xp.where(xp.isfinite(top), top, 0.0)
    with_steps = xp.log(xp.sum(xp.exp(final - shift[:, None]), axis=1)) + shift
    return xp.where(walk.length == 0, empty, with_steps).astype(alpha.dtype)


@operator("ctc_loss", "log_probs", "label", "length?", "label_length?")
@immutable
class CtcLoss(_Ctc):
    """Negative log-likelihood of each label sequence, summed over all alignments.

    Every step emits a label or a blank; repeated labels count once, unless a blank separates them.

    Args:
        blank: The class that means "no label".

    Inputs: `log_probs`, log-probabilities `[B, T, C]` of the classes, as returned by `log_softmax`;
    `label`, integers `[B, S]`, classes other than the blank; `length` and `label_length`, integers `[B]`, the
    numbers of steps and labels of each sequence, by default all. The result is `[B]`. For labels that
    do not fit into the steps it is infinite, and its gradient 0. f16 is computed in f32.

    Source: Graves et al., "Connectionist temporal classification", ICML 2006, equations 6 to 8.
    """

    def shape(
        self,
        log_probs: TensorType,
        label: TensorType,
        length: TensorType | None = None,
        label_length: TensorType | None = None,
    ) -> TensorType:
        self._check(log_probs, label, length, label_length)
        return log_probs.with_shape(log_probs.shape[:1])

    def forward(
        self,
        xp: Module,
        log_probs: Array,
        label: Array,
        length: Array | None = None,
        label_length: Array | None = None,
    ) -> Array:
        walk = _walk(xp, self.blank, widen(xp, log_probs), label, length, label_length)
        likelihood = _log_likelihood(xp, walk, _forward(xp, walk))
        return xp.asarray(-likelihood).astype(log_probs.dtype, copy=False)

    def gradient(
        self,
        dy: Value,
        y: Value,
        log_probs: Value,
        label: Value,
        length: Value | None,
        label_length: Value | None,
    ) -> tuple[Value | None, ...]:
        posterior = log_probs.apply(CtcPosterior(self.blank), label, length, label_length)
        size = dy.shape[0]
        return -(dy.reshape([size, 1, 1]) * posterior), None, None, None

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap(tuple((0, *[None] * (x.rank - 1)) if x else () for x in xs))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(2, 5, 3, low=-2), draw_ints(2, 2, low=1, high=3))
        yield example(cls(2), draw(3, 4, 3, low=-2), draw_ints(3, 1, low=0, high=2, dtype="i32"))
        lengths = draw_ints(2, low=3, high=6), draw_ints(2, low=0, high=2)
        yield example(cls(1), draw(2, 5, 3, low=-2), draw_ints(2, 2, low=2, high=3), *lengths)
        yield example(cls(), draw(2, 1, 2), draw_ints(2, 0))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x, label = tensor("f32", 2, 5, 3), tensor("i64", 2, 2)
        yield bad("floating-point", cls(), tensor("i32", 2, 5, 3), label)
        yield bad("needs integers", cls(), x, tensor("f32", 2, 2))
        yield bad("[B, T, C]", cls(), tensor("f32", 2, 5), label)
        yield bad("for 2 sequences", cls(), x, tensor("i64", 3, 2))
        yield bad("`length` [B]", cls(), x, label, tensor("i64", 2, 1))
        yield bad("among 3 classes", cls(3), x, label)


@operator("ctc_posterior", "log_probs", "label", "length?", "label_length?", internal=True)
@immutable
class CtcPosterior(_Ctc):
    """The probability of each class at each step, given the labels: the negated gradient of `ctc_loss`.

    Inputs: those of `ctc_loss`. The result has the shape of `log_probs`; it is 0 after the end of a
    sequence, and for labels that do not fit into the steps.

    Source: Graves et al. 2006, equation 15, with respect to the log-probabilities.
    """

    no_gradient = "is itself a derivative, and has no formula for a second one"

    def shape(
        self,
        log_probs: TensorType,
        label: TensorType,
        length: TensorType | None = None,
        label_length: TensorType | None = None,
    ) -> TensorType:
        self._check(log_probs, label, length, label_length)
        return log_probs

    def forward(
        self,
        xp: Module,
        log_probs: Array,
        label: Array,
        length: Array | None = None,
        label_length: Array | None = None,
    ) -> Array:
        walk = _walk(xp, self.blank, widen(xp, log_probs), label, length, label_length)
        alpha = _forward(xp, walk)
        total = _log_likelihood(xp, walk, alpha)
        counts = xp.isfinite(total)[:, None] & (xp.arange(log_probs.shape[1]) < walk.length[:, None])
        shift = xp.where(xp.isfinite(total), total, 0.0)[:, None, None]
        posterior = xp.where(counts[:, :, None], xp.exp(alpha + _backward(xp, walk) - shift), 0.0)
        classes = walk.states[:, :, None] == xp.arange(log_probs.shape[2])
        return xp.matmul(posterior, classes.astype(posterior.dtype)).astype(log_probs.dtype, copy=False)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        return (Example(cls(e.op.blank), e.inputs) for e in CtcLoss.examples() if isinstance(e.op, CtcLoss))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        return (
            BadExample(cls(b.op.blank), b.inputs, b.words)
            for b in CtcLoss.bad_examples()
            if isinstance(b.op, CtcLoss)
        )
