"""Running the `test` sections of a file."""

from __future__ import annotations

import numpy as np
import pytest

from netdsl.checker import check
from netdsl.model import Checked
from netdsl.modules import load_module
from netdsl.source import Source
from netruntime import DeviceError
from netruntime.engine.testing import TestResult, are_close, run_tests

MODEL = """net 1.0

model Twice(x: f32[B, 2]) -> y: f32[B, 2] { return x * 2.0 }

"""


def checked(tests: str) -> Checked:
    return check(load_module(Source("model.net", MODEL + tests)), {})


def single(body: str) -> TestResult:
    (result,) = run_tests(checked(f'test "one" {{\n{body}\n}}\n'))
    return result


def test_values_that_agree() -> None:
    result = single("expect Twice(ones([3, 2])) ~ ones([3, 2]) + ones([3, 2])")
    assert result.passed and result.name == "one"
    assert result.largest_difference == 0


def test_a_difference_is_told_with_place_and_values() -> None:
    result = single("y = Twice(ones([3, 2]))\nexpect y ~ y * 1.5 within 0.1")
    (failure,) = result.failures
    assert (result.passed, result.largest_difference) == (False, 1)
    assert failure.code == "E0881"
    assert failure.message == "the two sides differ by 1 at [0, 0], where they may by 0.1"
    assert failure.labels[0].text == "2 against 3; 6 of 6 values differ"
    assert failure.labels[0].span.line == 7
    assert failure.path == 'test "one"'


def test_a_difference_within_the_tolerance() -> None:
    result = single("y = Twice(ones([3, 2]))\nexpect y ~ y * 1.001 within 0.01")
    assert result.passed
    assert result.largest_difference == pytest.approx(0.002, rel=1e-3)


def test_truth_is_told_with_its_first_place() -> None:
    assert single("expect Twice(ones([1, 2])) > 1.0").passed
    (failure,) = single("expect Twice(ones([1, 2])) > 2.0").failures
    assert failure.code == "E0880"
    assert (
        failure.message
        == "`expect Twice(ones([1, 2])) > 2.0` does not hold: 2 of 2 values are false, the first at [0, 0]"
    )


def test_every_expectation_is_looked_at() -> None:
    result = single("y = Twice(ones([1, 2]))\nexpect y ~ y * 2.0\nexpect y > 1.0\nexpect y > 3.0")
    assert [failure.code for failure in result.failures] == ["E0881", "E0880"]


def test_types_alone_pass_without_a_run() -> None:
    result = single("y = Twice(ones([1, 2]))\nexpect y is f32[1, 2]")
    assert result.passed and result.largest_difference is None


def test_nan_agrees_with_nothing() -> None:
    result = single("y = Twice(zeros([1, 2]))\nn = y / y\nexpect n ~ n")
    assert not result.passed
    assert "differ by nan" in result.failures[0].message


def test_the_seed_reaches_the_weights() -> None:
    text = """
model Layer(x: f32[B, 2]) -> y: f32[B, 2] { return x -> fc: Linear(2) }
test "fixed" { expect Layer(ones([1, 2])) ~ zeros([1, 2]) }
"""
    found = [run_tests(checked(text), seed=seed)[0].largest_difference for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_only_those_of_a_model() -> None:
    text = """
model Other(x: f32[B]) -> y: f32[B] { return x }
test "twice" { expect Twice(ones([1, 2])) > 0.0 }
test "other" { expect Other(ones([1])) > 0.0 }
"""
    assert [r.name for r in run_tests(checked(text))] == ["twice", "other"]
    assert [r.name for r in run_tests(checked(text), model="Other")] == ["other"]


def test_what_fails_while_it_runs_is_in_the_result() -> None:
    result = single("ids = cast(Twice(ones([1, 2])) * 5.0, i64)\nexpect gather(ones([3]), ids, axis=0) > 0.0")
    (failure,) = result.failures
    assert failure.code == "E0820"


def test_an_unknown_device() -> None:
    with pytest.raises(DeviceError):
        run_tests(checked(""), device="tpu")


@pytest.mark.parametrize(
    ("a", "b", "tolerance", "close"),
    [
        (1.0, 1.1, 0.06, True),  # 0.06 + 0.06 * 1.1 is above 0.1
        (1.0, 1.1, 0.04, False),
        (np.inf, np.inf, 1e-5, True),
        (np.inf, -np.inf, 1e-5, False),
        (1.0, np.inf, 1e-5, False),
        (np.nan, np.nan, 1e-5, False),
        (2**53, 2**53 + 1, 0.0, False),
    ],
)
def test_closeness(a: float, b: float, tolerance: float, close: bool) -> None:
    assert bool(are_close(np.asarray(a), np.asarray(b), tolerance)) is close
