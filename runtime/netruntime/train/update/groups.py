"""Groups of weights by patterns over label paths, and the rate and decay of each weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from netdsl.diagnostics import suggest
from netdsl.immutable import immutable
from netdsl.model import Call
from netdsl.ops.contract.base import Array
from netdsl.recipes.gradients import GROUPS, GroupRecipe
from netdsl.source import Span
from netruntime.errors import TrainingError, shown
from netruntime.train.update.building import build
from netruntime.train.update.optimizers.base import Optimizer
from netruntime.weight_files.template import parse_template

REST = "rest"
"""The name of the group of weights that match no pattern."""

_LISTED = 5


@immutable(kw_only=True)
class WeightGroup(GroupRecipe):
    """Weights with their own learning rate or decay.

    `patterns` are label paths in which `*` matches any text and `{i}` a number: `encoder.*`, `*.bias`.
    """

    patterns: tuple[str, ...] = ()
    span: Span | None = None

    @property
    def name(self) -> str:
        return ", ".join(self.patterns)


@immutable
class Rates:
    """The update settings of one weight: its rate before the schedule, its λ, and the name of its group."""

    lr: float
    decay: float
    group: str = REST


def match_labels(patterns: Iterable[str], labels: Sequence[str], span: Span | None = None) -> list[str]:
    """The labels that any of the patterns matches, in the order of `labels`.

    Patterns are those of `weights` maps: `*` matches any text, including dots, `{i}` a number.

    Raises:
        TrainingError: E1082 at `span` for a pattern that matches nothing, with the nearest that would.
        WeightsError: E0731 for a pattern that cannot be read.
    """
    matching: set[str] = set()
    for pattern in patterns:
        template = parse_template(pattern, span)
        matched = [label for label in labels if template.match(label) is not None]
        if not matched:
            _no_match(pattern, labels, span)
        matching.update(matched)
    return [label for label in labels if label in matching]


def chosen_labels(patterns: Sequence[str], labels: Sequence[str], span: Span | None = None) -> list[str]:
    """As `match_labels`, but all labels if there is no pattern."""
    return match_labels(patterns, labels, span) if patterns else list(labels)


def trained_labels(
    labels: Sequence[str],
    over: Sequence[str],
    freeze: Sequence[str],
    span: Span | None = None,
    *,
    buffers: Sequence[str] = (),
) -> list[str]:
    """The weights that a phase trains: those of `over` (all if it is empty) except those of `freeze`.

    A pattern of `freeze` may match only buffers.

    Raises `TrainingError` E1082 if a pattern matches nothing, or if no weight remains.
    """
    chosen = chosen_labels(over, labels, span)
    frozen = set(match_labels(freeze, [*labels, *buffers], span))
    trained = [label for label in chosen if label not in frozen]
    if not trained:
        raise _nothing_left(freeze, span)
    return trained


def frozen_buffers(buffers: Sequence[str], freeze: Sequence[str]) -> frozenset[str]:
    """The buffers that a pattern of `freeze` matches."""
    patterns = [parse_template(pattern) for pattern in freeze]
    return frozenset(label for label in buffers if any(p.match(label) is not None for p in patterns))


def updated_buffers(
    buffers: Sequence[str], trained: Sequence[str], over: Sequence[str], freeze: Sequence[str]
) -> frozenset[str]:
    """The buffers that a phase updates: with `over`, those that it matches or beside a trained weight."""
    blocks = {label.rpartition(".")[0] for label in trained}
    beside = frozenset(label for label in buffers if not over or label.rpartition(".")[0] in blocks)
    return (beside | frozen_buffers(buffers, over)) - frozen_buffers(buffers, freeze)


def _nothing_left(freeze: Sequence[str], span: Span | None) -> TrainingError:
    if not freeze:
        return TrainingError.make("E1082", "the model has no weights to train", span)
    by = ", ".join(map(shown, freeze))
    message = f"there is no weight to train: all are frozen by {by}"
    return TrainingError.make("E1082", message, span, help="freeze fewer weights")


def make_group(call: Call) -> WeightGroup:
    """The group that a line of a `train` section declares.

    Raises `TrainingError` at its span: E1080 for a value out of its range, E1081 for an unknown argument.
    """
    rates = build("a group", GROUPS, call.name, call.arguments, call.span)
    return WeightGroup(patterns=call.patterns, lr=rates.lr, weight_decay=rates.weight_decay, span=call.span)


def resolve_groups(
    optimizer: Optimizer, groups: Sequence[WeightGroup], weights: Mapping[str, Array]
) -> dict[str, Rates]:
    """The rates of every weight, by label; the first group that matches a weight applies.

    All weights decay unless their group sets another decay, as in PyTorch; with `decay_vectors=false` those
    of rank 0 and 1 do not, except in a group that sets a decay.

    Raises `TrainingError`: E1082 for a pattern that matches nothing, E1084 for a group whose weights all
    match earlier groups.
    """
    rates: dict[str, Rates] = {}
    for group in groups:
        matched = [
            label for label in match_labels(group.patterns, list(weights), group.span) if label not in rates
        ]
        if not matched:
            message = f"the group {shown(group.name)} never applies: all its weights match earlier groups"
            raise TrainingError.make("E1084", message, group.span, help="put the narrower group first")
        for label in matched:
            rates[label] = _rates(optimizer, weights[label], group)
    rest = WeightGroup()
    return {label: rates.get(label) or _rates(optimizer, weight, rest) for label, weight in weights.items()}


def members(rates: Mapping[str, Rates]) -> dict[str, list[str]]:
    """The labels of each group, by its name."""
    groups: dict[str, list[str]] = {}
    for label, rate in rates.items():
        groups.setdefault(rate.group, []).append(label)
    return groups


def _rates(optimizer: Optimizer, weight: Array, group: WeightGroup) -> Rates:
    decays = optimizer.decay_vectors or weight.ndim > 1
    decay = optimizer.weight_decay if decays else 0.0
    return Rates(
        optimizer.lr if group.lr is None else group.lr,
        decay if group.weight_decay is None else group.weight_decay,
        group.name or REST,
    )


def _no_match(pattern: str, labels: Sequence[str], span: Span | None) -> NoReturn:
    known = dict.fromkeys(labels)
    for label in labels:
        parts = label.split(".")
        known.update(dict.fromkeys(".".join(parts[:n]) + ".*" for n in range(1, len(parts))))
        known[f"*.{parts[-1]}"] = None
    subtree = f"{pattern.rstrip('.')}.*"
    help = f"did you mean `{subtree}`?" if subtree in known else suggest(pattern, known)
    if help is None:
        more = ", .." if len(labels) > _LISTED else ""
        listed = ", ".join(map(shown, labels[:_LISTED]))
        help = f"the weights are {listed}{more}" if labels else "there are no weights"
    raise TrainingError.make("E1082", f"the pattern {shown(pattern)} matches no weight", span, help=help)
