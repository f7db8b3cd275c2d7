"""Lines of `train` sections given from outside."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from netdsl.checker import check
from netdsl.diagnostics import NetError, render
from netdsl.model import Phase
from netdsl.modules import load_module
from netdsl.source import Source

MODEL = "net 1.0\nmodel M(x: f32[B, 4]) -> y: f32[B, 4] { return x -> fc: Linear(4) }\n"
ONE = f"""{MODEL}
train {{
  input t: f32[B, 4]
  optimizer = sgd(0.1, momentum=0.9)
  loss = mse(y, t)
  clip = norm(1.0)
  clip = value(2.0)
  clip "fc.bias" = norm(3.0)
  epochs = 3
  freeze "fc.bias"
  metric far = l1(y, t)
}}
"""
TWO = f"""{MODEL}
train first {{
  input t: f32[B, 4]
  loss = mse(y, t)
  optimizer = adam(lr=1e-3)
}}

train second {{
  input t: f32[B, 4]
  loss = l1(y, t)
  optimizer = adam(lr=1e-3)
}}
"""


def phases(text: str, given: Mapping[str, str]) -> tuple[Phase, ...]:
    return check(load_module(Source("model.net", text)), train=given).phases


def one(**given: str) -> Phase:
    (phase,) = phases(ONE, {key.replace("__", "."): value for key, value in given.items()})
    return phase


def message(text: str, given: Mapping[str, str]) -> str:
    with pytest.raises(NetError) as failed:
        phases(text, given)
    return "\n".join(map(render, failed.value.diagnostics))


def test_a_recipe_takes_the_place_of_the_files() -> None:
    call = one(optimizer="adamw(lr=0.01)").optimizer
    assert call is not None
    assert (call.name, call.arguments) == ("adamw", {"lr": 0.01})


@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("lr", "0.5", {"lr": 0.5, "momentum": 0.9}),
        ("momentum", "0.0", {"lr": 0.1, "momentum": 0.0}),
        ("nesterov", "true", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ],
)
def test_one_argument_is_set(argument: str, value: str, expected: dict[str, float]) -> None:
    call = one(**{f"optimizer.{argument}": value}).optimizer
    assert call is not None
    assert call.arguments == expected


def test_numbers_patterns_metrics_and_the_loss() -> None:
    phase = one(
        epochs="2 * 5",
        seed="7",
        freeze="fc.weight, fc.b*",
        over='"fc.*"',
        metric__near="mean(abs(y - t))",
        metric__far="none",
        loss="huber(y, t, delta=0.5)",
    )
    assert phase.numbers == {"epochs": 10, "seed": 7}
    assert phase.freeze == ("fc.weight", "fc.b*")
    assert phase.over == ("fc.*",)
    assert list(phase.model.outputs) == ["loss", "near"]


def test_a_clip_takes_the_place_of_all_that_hold_for_all_weights() -> None:
    clips = [(call.name, call.arguments["limit"], call.patterns) for call in one(clip="norm(9.0)").clips]
    assert clips == [("norm", 9.0, ()), ("norm", 3.0, ("fc.bias",))]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({'clip "fc.bias"': "norm(9.0)"}, [(1.0, ()), (2.0, ()), (9.0, ("fc.bias",))]),
        ({'clip "fc.bias"': "none"}, [(1.0, ()), (2.0, ())]),
        (
            {'clip "fc.weight", "fc.b*"': "norm(9.0)"},
            [(1.0, ()), (2.0, ()), (3.0, ("fc.bias",)), (9.0, ("fc.weight", "fc.b*"))],
        ),
    ],
)
def test_a_line_for_some_weights_takes_the_place_of_that_for_the_same(
    given: Mapping[str, str], expected: list[tuple[float, tuple[str, ...]]]
) -> None:
    (phase,) = phases(ONE, given)
    assert [(call.arguments["limit"], call.patterns) for call in phase.clips] == expected


def test_a_group_of_one_section() -> None:
    found = phases(TWO, {'second.group "fc.bias"': "adjust(lr=0.5)"})
    assert [[call.arguments for call in phase.groups] for phase in found] == [[], [{"lr": 0.5}]]


def test_an_argument_of_several_lines_is_set_in_all_for_all_weights() -> None:
    limits = [call.arguments["limit"] for call in one(clip__limit="9.0").clips]
    assert limits == [9.0, 9.0, 3.0]


def test_none_takes_a_setting_away() -> None:
    phase = one(optimizer="none", epochs="none", freeze="none")
    assert phase.optimizer is None
    assert phase.numbers == {}
    assert phase.freeze == ()


def test_an_input_is_given_another_type() -> None:
    phase = one(input__t="f32[B, 4]", input__w="f32[B]")
    assert list(phase.model.inputs) == ["x", "t", "w"]


def test_a_section_is_named_or_all_are_meant() -> None:
    rates = [
        [phase.optimizer.arguments["lr"] for phase in phases(TWO, given) if phase.optimizer]
        for given in ({"optimizer.lr": "0.5"}, {"second.optimizer.lr": "0.5"})
    ]
    assert rates == [[0.5, 0.5], [1e-3, 0.5]]


def test_a_file_without_a_section_gets_one_by_a_loss() -> None:
    given = {"loss": "mse(y, t)", "input.t": "f32[B, 4]", "optimizer": "sgd(0.1)"}
    (phase,) = phases(MODEL, given)
    assert phase.optimizer is not None
    assert list(phase.model.inputs) == ["x", "t"]


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        (
            ONE,
            {"optimzer": "sgd(0.1)"},
            """error[E0219]: `optimzer` is not a training setting
  --> <command line>:1:1
 1 | optimzer = sgd(0.1)
   | ^^^^^^^^
   = help: did you mean `optimizer`?""",
        ),
        (
            ONE,
            {"schedule.warmup": "3"},
            """error[E0227]: the section has no `schedule` whose `warmup` could be set
  --> <command line>:1:1
 1 | schedule.warmup = 3
   | ^^^^^^^^^^^^^^^
   = help: give the complete line: `schedule`""",
        ),
        (
            ONE,
            {"epochs.lr": "3"},
            """error[E0227]: `epochs` has no arguments
  --> <command line>:1:1
 1 | epochs.lr = 3
   | ^^^^^^^^^
   = help: write `epochs`""",
        ),
        (
            ONE,
            {"metric": "mse(y, t)"},
            """error[E0227]: a `metric` has a name
  --> <command line>:1:1
 1 | metric = mse(y, t)
   | ^^^^^^
   = help: write `metric.NAME`""",
        ),
        (
            MODEL,
            {"epochs": "3"},
            """error[E0227]: the file has no `train` section
  --> <command line>:1:1
 1 | epochs = 3
   | ^^^^^^
   = help: give it a `loss` too: `loss=mse(..)`""",
        ),
        (
            ONE,
            {"epochs": "3\nseed = 4"},
            """error[E0227]: the value of `epochs` is not one value
  --> <command line>:1:1
 1 | epochs = 3
   | ^^^^^^
   = help: give one value, as in the file""",
        ),
        (
            ONE,
            {'optimizer "fc.*"': "sgd(0.1)"},
            """error[E0227]: `optimizer` has no patterns before its value
  --> <command line>:1:1
 1 | optimizer "fc.*" = sgd(0.1)
   | ^^^^^^^^^^^^^^^^
   = help: write `optimizer`""",
        ),
        (
            ONE,
            {"optimizer.rate": "0.1"},
            """error[E0406]: `sgd` has no argument `rate`
  --> <command line>:1:24
 1 | train { optimizer = of(rate=0.1) }
   |                        ^^^^
   = help: `sgd` takes lr, momentum, nesterov, weight_decay, decoupled, decay_vectors""",
        ),
    ],
)
def test_what_is_wrong_is_told(text: str, given: Mapping[str, str], expected: str) -> None:
    assert message(text, given) == expected


@pytest.mark.parametrize("value", ["", "sgd(", "}", '"', "a\nb", "1 +", "import"])
def test_broken_values_are_told(value: str) -> None:
    assert message(ONE, {"optimizer": value}).startswith("error[E0")


@pytest.mark.parametrize(
    ("line", "key", "value", "expected"),
    [
        ("optimizer = sgd(lr=-1)", "optimizer.lr", "-1", "E1080 `sgd`: lr is -1, but must be 0 or more"),
        ("optimizer = sgd(lr=-1)", "optimizer", "sgd(-1)", "E1080 `sgd`: lr is -1, but must be 0 or more"),
        ("clip = norm(0)", "clip", "norm(0)", "E1080 `norm`: limit is 0, but must be above 0"),
        ("epochs = 0", "epochs", "0", "E1072 `epochs` is 0, but must be a positive integer"),
    ],
)
def test_a_range_is_the_same_in_the_file_and_from_outside(
    line: str, key: str, value: str, expected: str
) -> None:
    def finding(text: str, overrides: Mapping[str, str]) -> str:
        with pytest.raises(NetError) as failed:
            phases(text, overrides)
        (found,) = failed.value.diagnostics
        assert found.span is not None and found.help is not None
        return f"{found.code} {found.message}"

    bare = f"{MODEL}train {{\n  input t: f32[B, 4]\n  loss = mse(y, t)\n  optimizer = sgd(0.1)\n}}\n"
    in_file = bare.replace("optimizer = sgd(0.1)", line)
    assert finding(in_file, {}) == finding(bare, {key: value}) == expected
