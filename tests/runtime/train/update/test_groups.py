"""Patterns over label paths, and the rate and decay that groups give to weights."""

from __future__ import annotations

import numpy as np
import pytest

from netdsl.model import Call
from netdsl.source import Source, Span
from netruntime.errors import TrainingError, WeightsError
from netruntime.train.update.groups import (
    REST,
    Rates,
    WeightGroup,
    make_group,
    match_labels,
    members,
    resolve_groups,
    trained_labels,
)
from netruntime.train.update.optimizers import make_optimizer

LABELS = [
    "encoder.0.wq.weight",
    "encoder.0.wq.bias",
    "encoder.1.wq.weight",
    "encoder.1.wq.bias",
    "head.weight",
    "head.bias",
]
WEIGHTS = {label: np.zeros((2, 2) if label.endswith("weight") else 2, np.float32) for label in LABELS}
SPAN = Span(Source("net.net", "group"), 0, 5)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("encoder.*", LABELS[:4]),
        ("*.bias", LABELS[1::2]),
        ("*", LABELS),
        ("head.weight", ["head.weight"]),
        ("encoder.{i}.wq.bias", ["encoder.0.wq.bias", "encoder.1.wq.bias"]),
        ("encoder.1*bias", ["encoder.1.wq.bias"]),
    ],
)
def test_patterns(pattern: str, expected: list[str]) -> None:
    assert match_labels([pattern], LABELS) == expected


def test_labels_keep_their_order_and_come_once() -> None:
    assert match_labels(["head.*", "*.bias", "encoder.0.*"], LABELS) == [*LABELS[:2], *LABELS[3:]]
    assert match_labels([], LABELS) == []


@pytest.mark.parametrize(
    ("pattern", "help"),
    [
        ("encodr.*", "did you mean `encoder.*`?"),
        ("*.bais", "did you mean `*.bias`?"),
        ("encoder", "did you mean `encoder.*`?"),
        ("encoder.0.", "did you mean `encoder.0.*`?"),
        ("head.wieght", "did you mean `head.weight`?"),
        ("zzz", "the weights are " + ", ".join(f"`{label}`" for label in LABELS[:5]) + ", .."),
    ],
)
def test_a_pattern_that_matches_nothing(pattern: str, help: str) -> None:
    with pytest.raises(TrainingError) as caught:
        match_labels(["head.*", pattern], LABELS, SPAN)
    found = caught.value.diagnostics[0]
    assert (found.code, found.span, found.help) == ("E1082", SPAN, help)
    assert found.message == f"the pattern `{pattern}` matches no weight"


def test_a_pattern_that_cannot_be_read() -> None:
    with pytest.raises(WeightsError) as caught:
        match_labels(["encoder.{"], LABELS)
    assert caught.value.code == "E0731"


def test_trained_labels() -> None:
    assert trained_labels(LABELS, [], []) == LABELS
    assert trained_labels(LABELS, ["encoder.*"], ["*.bias"]) == LABELS[0:4:2]
    with pytest.raises(TrainingError, match="there is no weight to train: all are frozen by `\\*`") as caught:
        trained_labels(LABELS, [], ["*"])
    assert caught.value.code == "E1082"
    with pytest.raises(TrainingError, match="the model has no weights to train"):
        trained_labels([], [], [])


def test_without_groups_all_weights_decay() -> None:
    optimizer = make_optimizer("adamw", {"lr": 0.5, "weight_decay": 0.1})
    assert set(resolve_groups(optimizer, [], WEIGHTS).values()) == {Rates(0.5, 0.1, REST)}


def test_vectors_can_be_left_out_of_decay() -> None:
    optimizer = make_optimizer("adamw", {"weight_decay": 0.1, "decay_vectors": False})
    rates = resolve_groups(optimizer, [WeightGroup(patterns=("head.*",), weight_decay=0.3)], WEIGHTS)
    assert [rates[label].decay for label in LABELS] == [0.1, 0, 0.1, 0, 0.3, 0.3]


def test_the_first_group_that_matches_takes_a_weight() -> None:
    optimizer = make_optimizer("sgd", {"lr": 1.0, "weight_decay": 0.1})
    groups = [
        WeightGroup(patterns=("*.bias",), weight_decay=0.0),
        WeightGroup(patterns=("encoder.1.*", "encoder.0.*"), lr=0.01),
    ]
    rates = resolve_groups(optimizer, groups, WEIGHTS)
    assert rates["encoder.0.wq.bias"] == Rates(1.0, 0.0, "*.bias")
    assert rates["encoder.0.wq.weight"] == Rates(0.01, 0.1, "encoder.1.*, encoder.0.*")
    assert rates["head.weight"] == Rates(1.0, 0.1, REST)
    assert members(rates) == {
        "encoder.1.*, encoder.0.*": ["encoder.0.wq.weight", "encoder.1.wq.weight"],
        "*.bias": ["encoder.0.wq.bias", "encoder.1.wq.bias", "head.bias"],
        REST: ["head.weight"],
    }


def test_a_group_that_never_applies() -> None:
    groups = [WeightGroup(patterns=("encoder.*",)), WeightGroup(patterns=("encoder.0.*",), span=SPAN)]
    with pytest.raises(TrainingError) as caught:
        resolve_groups(make_optimizer("sgd", {}), groups, WEIGHTS)
    found = caught.value.diagnostics[0]
    assert (found.code, found.span) == ("E1084", SPAN)
    assert found.message == "the group `encoder.0.*` never applies: all its weights match earlier groups"


def test_groups_of_a_section() -> None:
    call = Call("adjust", {"lr": 0.1, "weight_decay": 0.0}, SPAN, ("*.bias",))
    assert make_group(call) == WeightGroup(patterns=("*.bias",), lr=0.1, weight_decay=0.0, span=SPAN)
    for arguments, code in (({"lr": -1.0}, "E1080"), ({"rate": 1.0}, "E1081"), ({"span": 1.0}, "E1081")):
        with pytest.raises(TrainingError) as caught:
            make_group(Call("adjust", arguments, SPAN, ("*.bias",)))
        assert (caught.value.code, caught.value.diagnostics[0].span) == (code, SPAN)
