"""The samples of every operator, which run, with one thing changed: an argument, a type, a size, a number.

What the check passes runs, and its result has the type that was inferred; it is the same with free sizes in
place of fixed ones. Only numbers in the arrays and the size of the memory may still be refused by the run.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from random import Random
from typing import Any

import numpy as np

import netruntime as nr
from fuzz.campaign import showing
from netdsl.ops import REGISTRY
from netdsl.ops.contract.base import Example
from netdsl.ops.contract.samples import Draw
from netdsl.types import DType

SHORT = 250
SECONDS = 5.0
ODD = """0 1 2 3 5 -1 -2 -3 7 100 2147483648 4611686018427387904 9223372036854775807 -9223372036854775807
1e308 -1e308 1e-320 0.5 1.5 -0.5 -0.0 1e999 "" "same" "abc" "max" "mean" "reflect"
[] [0] [1] [-1] [1,1] [2,1] [0,0]
[1,0] [3,3] [-1,2] [0,1,2] [2**62,2] [1,1,1,1] true false none f16 f32 f64 i8 i64 bool x""".split()
NUMBERS = (float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e30, -1e30, 1e-40, -1.0, 127.0, 2.0**31)
WHOLE = (-1, -(2**31), 2**31 - 1, 0, 1, 2, 5, 100, -5)
LARGEST = 2**27
"""Elements of a result: what memory holds runs, however long it takes."""
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 0, 1)
TAKES_INDICES = {"gather", "gather_elements", "scatter", "one_hot", "ctc_loss"}
"""The operators whose samples hold numbers that fit their sizes, so that a run may refuse them for others."""


@dataclass(frozen=True)
class Case:
    """A call of an operator as text, with the types of its tensors and the arrays for them."""

    name: str
    arguments: tuple[tuple[str, str], ...]
    inputs: tuple[Draw | None, ...]
    free: frozenset[tuple[int, int]] = frozenset()

    @property
    def text(self) -> str:
        slots = REGISTRY[self.name].inputs
        words, typed = [], []
        for number, draw in enumerate(self.inputs):
            if draw is None:
                continue
            sizes = [
                f"S{size}" if (number, n) in self.free else str(size) for n, size in enumerate(draw.shape)
            ]
            typed.append(f"x{number}: {draw.dtype}[{', '.join(sizes)}]")
            is_named = not slots[0].startswith("*") and slots[number].endswith("?")
            words.append(f"{slots[number].rstrip('?')}=x{number}" if is_named else f"x{number}")
        words += [f"{name}={value}" for name, value in self.arguments]
        inputs = ", ".join(typed or ["unused: f32[2]"])
        return f"net 1.0\nmodel M({inputs}) {{\n  return {self.name}({', '.join(words)})\n}}\n"

    def arrays(self, seed: int) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        given = {f"x{n}": _array(rng, draw) for n, draw in enumerate(self.inputs) if draw is not None}
        return given or {"unused": np.ones(2, np.float32)}


def _array(rng: np.random.Generator, draw: Draw) -> Any:
    if draw.dtype is DType.BOOL:
        return rng.random(draw.shape) < 0.5
    low, high = draw.low, draw.high
    if draw.dtype.is_int:
        return rng.integers(int(low), max(int(high), int(low) + 1), draw.shape).astype(draw.dtype.numpy_name)
    return as_type(rng.uniform(low, high, draw.shape), draw.dtype)


def as_type(array: Any, dtype: DType) -> Any:
    if dtype is DType.BF16:
        import ml_dtypes

        return array.astype(ml_dtypes.bfloat16)
    return array.astype(dtype.numpy_name)


def literal(value: Any) -> str:
    """A static value as the language writes it."""
    match value:
        case None | True | False:
            return str(value).lower()
        case DType():
            return str(value)
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(map(literal, value))}]"
        case int() | float():
            text = repr(value).replace("inf", "1e999")
            return f"({text})" if value < 0 else text
        case _:
            return str(value)


def written(sample: Example) -> Case:
    arguments = tuple((f.name, literal(getattr(sample.op, f.name))) for f in fields(sample.op))
    return Case(sample.op.name, arguments, sample.inputs)


@cache
def cases() -> dict[str, list[Case]]:
    """The samples by operator, as far as the language can write them."""
    found: dict[str, list[Case]] = {}
    for name, op in REGISTRY.items():
        for sample in op.examples():
            case = written(sample)
            if _loaded(case) is not None:
                found.setdefault(name, []).append(case)
    return found


def _loaded(case: Case) -> nr.Network | None:
    try:
        return nr.load(case.text)
    except nr.NetError as refused:
        assert str(refused)
        return None


def changed(random: Random, case: Case) -> Case:
    """The call with one argument, one element type or one size changed."""
    tensors = [n for n, draw in enumerate(case.inputs) if draw is not None]
    kind = random.choice(("argument", "argument", "argument", "type", "size", "size"))
    if kind == "argument" and case.arguments:
        at = random.randrange(len(case.arguments))
        name, value = case.arguments[at]
        value = random.choice(ODD)
        return replace(case, arguments=(*case.arguments[:at], (name, value), *case.arguments[at + 1 :]))
    if not tensors:
        return case
    at = random.choice(tensors)
    draw = case.inputs[at]
    assert draw is not None
    if kind == "size" and draw.shape:
        axis = random.randrange(len(draw.shape))
        shape = (*draw.shape[:axis], random.choice(SIZES), *draw.shape[axis + 1 :])
        draw = replace(draw, shape=shape)
    else:
        draw = replace(draw, dtype=random.choice(list(DType)))
    return replace(case, inputs=(*case.inputs[:at], draw, *case.inputs[at + 1 :]))


def freed(random: Random, case: Case) -> Case:
    """The same with some sizes free; equal sizes have one symbol."""
    chosen = {size for draw in case.inputs if draw for size in draw.shape if random.random() < 0.5}
    free = frozenset(
        (n, a) for n, d in enumerate(case.inputs) if d for a, s in enumerate(d.shape) if s in chosen
    )
    return replace(case, free=free)


def trial(random: Random) -> str:
    case = random.choice(cases()[random.choice(sorted(cases()))])
    if random.random() < 0.8:
        case = changed(random, case)
    arrays = case.arrays(random.randrange(2**32))
    is_odd = random.random() < 0.4
    if is_odd:
        _spoil(random, arrays)
    with showing(f"{case.text}\n{arrays!r}"), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        net = _loaded(case)
        if net is None:
            return "refused by the check"
        if any(math.prod(size.value for size in t.shape) > LARGEST for t in net.outputs.values()):
            return "too large to run here"
        results = _run(net, arrays, is_odd or case.name in TAKES_INDICES)
        if results is None:
            return "refused by the run"
        _same_with_free_sizes(random, case, arrays, results)
        return _differentiated(net, arrays)


def _spoil(random: Random, arrays: dict[str, Any]) -> None:
    """Put an odd number into one place of one array."""
    array = random.choice(list(arrays.values()))
    if array.size and array.dtype != np.bool_:
        value = random.choice(NUMBERS if array.dtype.kind == "f" or "float" in str(array.dtype) else WHOLE)
        with np.errstate(all="ignore"):
            array.reshape(-1)[random.randrange(array.size)] = np.asarray(value).astype(array.dtype)


def _run(net: nr.Network, arrays: dict[str, Any], by_data: bool) -> dict[str, Any] | None:
    try:
        results = net.run(arrays)
    except nr.NetError as refused:
        assert str(refused)
        assert by_data or refused.code == "E0822", f"what the check passes does not run: {refused}"
        return None
    for name, type_ in net.outputs.items():
        array = np.asarray(results[name])
        shape = tuple(size.value for size in type_.shape)
        assert (str(array.dtype), array.shape) == (type_.dtype.numpy_name, shape), f"{name} is {array.dtype}"
    return results


def _same_with_free_sizes(
    random: Random, case: Case, arrays: dict[str, Any], results: dict[str, Any]
) -> None:
    """Run again with symbols in place of sizes, if the check can tell that much."""
    net = _loaded(freed(random, case))
    if net is None:
        return
    again = net.run(arrays)
    for name, array in zip(again, results.values(), strict=True):
        np.testing.assert_array_equal(_as_f64(again[name]), _as_f64(array))


def _as_f64(array: Any) -> Any:
    """Numbers that NumPy compares, NaN included: it does not know that NaN in bf16 equals NaN."""
    return array.astype(np.float64) if "bfloat16" in str(array.dtype) else np.asarray(array)


def _differentiated(net: nr.Network, arrays: dict[str, Any]) -> str:
    """The gradients with respect to the inputs of floats have their types."""
    wrt = [name for name, type_ in net.inputs.items() if type_.dtype.is_float and name in arrays]
    value = next(iter(net.outputs))
    if not wrt or not net.outputs[value].dtype.is_float:
        return "ran"
    try:
        slopes = net.vjp(value, wrt)
    except nr.NetError as refused:
        assert refused.code in ("E1131", "E1132", "E1133", "E1134"), str(refused)
        return "ran, without a gradient"
    type_ = net.outputs[value]
    direction = as_type(np.ones([size.value for size in type_.shape]), type_.dtype)
    for name, array in slopes.run(arrays | {"direction": direction}).items():
        assert array.shape == arrays[name].shape and array.dtype == arrays[name].dtype, f"gradient of {name}"
    return "ran, with gradients"


def unwritten() -> Iterator[str]:
    """The operators that the language writes in another way than as a call with their attributes."""
    yield from sorted(set(REGISTRY) - set(cases()))
