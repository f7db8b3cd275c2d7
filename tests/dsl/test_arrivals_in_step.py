"""What the translation from other frameworks says that schedules and losses take is what they take."""

from __future__ import annotations

import pytest

from netdsl.arrivals.losses import LOSS_OPTIONS
from netdsl.arrivals.recipes import SCHEDULE_ARGUMENTS
from netdsl.checker import check
from netdsl.diagnostics import NetError
from netdsl.modules import load_module, std_block
from netdsl.parsing.habits.python_train import lines_of
from netdsl.recipes import LOSSES, RECIPES
from netdsl.source import Source


def test_schedules() -> None:
    takes = {name: tuple(recipe.arguments()) for name, recipe in RECIPES["schedule"].items()}
    assert takes == SCHEDULE_ARGUMENTS


@pytest.mark.parametrize("loss", LOSSES)
def test_options_of_losses(loss: str) -> None:
    block, _ = std_block(loss) or pytest.fail(f"there is no loss `{loss}`")
    options = [parameter.name.text for parameter in block.statics]
    assert set(LOSS_OPTIONS.get(loss, ())) <= set(options)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("keras.losses.Huber(2.0)", "huber(p, y, delta=2.0)"),
        ("nn.HuberLoss('mean', 2.0)", "huber(p, y, delta=2.0)"),
        ("nn.CrossEntropyLoss(None, None, 0)", "cross_entropy(p, y, ignore=0)"),
        (
            "nn.BCEWithLogitsLoss(None, None, None, 'mean', [3])",
            "binary_cross_entropy(p, y, positive=[3])",
        ),
        ("keras.losses.SparseCategoricalCrossentropy(True, 0)", "cross_entropy(p, y, ignore=0)"),
        ("nn.MSELoss(None, None, 'mean')", "mse(p, y)"),
    ],
)
def test_options_of_losses_by_position(theirs: str, ours: str) -> None:
    text = "model M(x: f32[B, 4]) -> p: f32[B, 1]\ninput y: f32[B, 1]"
    assert lines_of(f"m.compile(loss={theirs})", text) == [(f"loss = {ours}", ())]


def test_a_compiled_network_has_labels_of_its_loss() -> None:
    text = "net 1.0\n\nmodel M(x: f32[B, 4]) -> p: f32[B, 2] { return x -> fc: Linear(2) }\n"
    with pytest.raises(NetError) as caught:
        check(load_module(Source("m.net", text + "model.compile(loss='mse')\n")))
    assert "after `input label: f32[B, 2]`" in (caught.value.diagnostics[0].help or "")
