"""Running the `test` sections of a checked file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netdsl.diagnostics import Diagnostic, Label, NetError
from netdsl.graph import expand
from netdsl.immutable import immutable
from netdsl.model import CallStep, Checked, Expectation, ModelTest
from netdsl.source import Span
from netruntime.engine.backends import Device, DeviceChoice, open_device
from netruntime.engine.network import Network
from netruntime.engine.reading import read_results
from netruntime.engine.weights import open_weights
from netruntime.files.arrays import Array

FALSE, APART = "E0880", "E0881"


@immutable
class TestResult:
    """The result of one test.

    `failures` has one diagnostic for each expectation that does not hold. `largest_difference` is the largest
    over all `~` of the test; None if it has none or the values cannot be compared.
    """

    __test__ = False  # the name would make pytest collect it

    name: str
    span: Span
    failures: tuple[Diagnostic, ...]
    largest_difference: float | None

    @property
    def passed(self) -> bool:
        return not self.failures


def run_tests(
    checked: Checked, device: str | DeviceChoice = "cpu", seed: int = 0, *, model: str | None = None
) -> list[TestResult]:
    """Run the tests of a file, with weights drawn from the seed.

    The checker has already verified the expectations about types. `a ~ b within t` requires
    `|a - b| <= t + t*|b|` for all elements.

    Args:
        model: Run only the tests that call this model.

    Raises:
        DeviceError: the device cannot be used. Failures inside a test are in its result.
    """
    target = open_device(device)
    selected = [test for test in checked.tests if model is None or _calls(test, model)]
    return [_run_test(checked, test, target, seed) for test in selected]


def _calls(test: ModelTest, model: str) -> bool:
    return any(isinstance(step, CallStep) and step.body.name == model for step in test.model.body.steps)


def _run_test(checked: Checked, test: ModelTest, device: Device, seed: int) -> TestResult:
    if not test.expectations:
        return TestResult(test.name, test.span, (), None)
    try:
        store = open_weights(expand(test.model), None, {}, None, seed)
        results = Network(checked, test.model, store, device, seed).run({})
    except NetError as failed:
        return TestResult(test.name, test.span, failed.diagnostics, None)
    values = read_results(device, results)
    failures = [f for e in test.expectations if (f := _judge(test, e, values))]
    differences = [d for e in test.expectations if (d := _difference(e, values)) is not None]
    return TestResult(test.name, test.span, tuple(failures), max(differences, default=None))


def _judge(test: ModelTest, expectation: Expectation, values: Mapping[str, Array]) -> Diagnostic | None:
    """The diagnostic of a failed expectation; None if it holds."""
    first = values[expectation.values[0]]
    if len(expectation.values) == 1:
        return None if bool(first.all()) else _false(test, expectation, first)
    second = values[expectation.values[1]]
    close = are_close(first, second, expectation.tolerance or 0.0)
    return None if bool(close.all()) else _apart(test, expectation, first, second, close)


def are_close(a: Array, b: Array, tolerance: float) -> Array:
    """Elementwise `|a - b| <= tolerance + tolerance*|b|`; equal infinities are close, NaN never is."""
    if a.dtype.kind in "biu" and b.dtype.kind in "biu" and not tolerance:
        return np.asarray(a == b)
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(a - b) <= tolerance + tolerance * np.abs(b)
    return np.asarray((near & np.isfinite(a) & np.isfinite(b)) | (a == b))


def _difference(expectation: Expectation, values: Mapping[str, Array]) -> float | None:
    """The largest difference of two compared values; None if it is undefined."""
    if len(expectation.values) == 1:
        return None
    first, second = (values[name].astype(np.float64) for name in expectation.values)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(first - second)
    return float(apart.max()) if apart.size and np.isfinite(apart).all() else None


def _false(test: ModelTest, expectation: Expectation, value: Array) -> Diagnostic:
    bad = int(value.size - np.count_nonzero(value))
    many = f": {bad} of {value.size} values are false, the first at {_first(~value)}" if value.ndim else ""
    message = f"`{_source_text(expectation)}` does not hold{many}"
    return Diagnostic(FALSE, message, (Label(expectation.span),), path=f'test "{test.name}"')


def _apart(test: ModelTest, expectation: Expectation, a: Array, b: Array, close: Array) -> Diagnostic:
    bad = int(close.size - np.count_nonzero(close))
    a, b = np.broadcast_to(a, close.shape), np.broadcast_to(b, close.shape)
    worst = _worst(a, b, close)
    place = f" at {list(worst)}" if worst else ""
    left, right = a[worst].item(), b[worst].item()
    message = (
        f"the two sides differ by {abs(left - right):.4g}{place}, where they may by {_allowed(expectation)}"
    )
    text = f"{left:.9g} against {right:.9g}" + (
        f"; {bad} of {close.size} values differ" if close.ndim else ""
    )
    return Diagnostic(APART, message, (Label(expectation.span, text),), path=f'test "{test.name}"')


def _allowed(expectation: Expectation) -> str:
    return f"{expectation.tolerance:g}"


def _worst(a: Array, b: Array, close: Array) -> tuple[int, ...]:
    """The index of the largest difference among those out of tolerance; NaN counts as the largest."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    apart = np.where(close, -1.0, np.where(np.isnan(apart), np.inf, apart))
    return tuple(int(i) for i in np.unravel_index(int(apart.argmax()), apart.shape))


def _first(wrong: Array) -> list[int]:
    return [int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape)]


def _source_text(expectation: Expectation) -> str:
    return " ".join(expectation.span.text.split())
