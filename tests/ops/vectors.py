"""Node test vectors of the onnx package: inputs and outputs that its own backends are tested with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from onnx import helper
from onnx.backend.test.loader import load_model_tests

from netdsl.ops.contract.base import Op
from netdsl.types import DType
from ops.drawing import strided

ELEMENT_TYPES = {dtype.numpy_name for dtype in DType}


class Vector(NamedTuple):
    """One node: its attributes, its inputs in order (None where left out), and its outputs."""

    op_type: str
    attributes: dict[str, Any]
    inputs: list[Any]
    outputs: list[Any]
    rtol: float
    atol: float


@cache
def _cases() -> dict[str, Vector]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the vectors are computed when they are loaded
        loaded = load_model_tests(kind="node")
    return {case.name.removeprefix("test_"): _vector(case) for case in loaded if _is_one_node(case)}


def _is_one_node(case: Any) -> bool:
    arrays = [a for side in case.data_sets[0] for a in side]
    return (
        len(case.model.graph.node) == 1
        and not case.name.endswith("_expanded")
        and all(str(getattr(a, "dtype", None)) in ELEMENT_TYPES for a in arrays)
    )


def _vector(case: Any) -> Vector:
    node = case.model.graph.node[0]
    inputs, outputs = case.data_sets[0]
    given = iter(inputs)
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    ordered = [next(given) if name else None for name in node.input]
    return Vector(node.op_type, attributes, ordered, list(outputs), case.rtol, case.atol)


def vector(name: str) -> Vector:
    """One case by name. Skips the running test where the installed onnx does not have it."""
    if name not in _cases():
        pytest.skip(f"this version of onnx has no node test {name}")
    return _cases()[name]


def vectors(*op_types: str, left_out: Mapping[str, str] | None = None) -> list[Any]:
    """The cases of these ONNX operators as pytest parameters, without those in `left_out` (with reasons).

    Cases of element types that the language does not have, and of several nodes, are never included.
    """
    return [
        pytest.param(case, id=name)
        for name, case in _cases().items()
        if case.op_type in op_types and name not in (left_out or {})
    ]


def check_vector(xp: Any, item: Vector, op: Op | Sequence[Op], *arrays: Any, **limits: float) -> None:
    """Compare `op` on `arrays` with the outputs of a vector: their types, shapes and values.

    Several operators are applied one after the other. `limits` are `rtol` and `atol`.
    """
    limits = {"rtol": 1e-5, "atol": 1e-6, **limits}
    for layout in (xp.asarray, lambda a: strided(xp.asarray(a), xp)):
        actual: Any = tuple(None if a is None else layout(a) for a in arrays)
        for step in (op,) if isinstance(op, Op) else op:
            actual = step.forward(xp, *actual)
            actual = actual if isinstance(actual, tuple) else (actual,)
        assert len(actual) == len(item.outputs)
        for ours, theirs in zip(actual, item.outputs, strict=True):
            ours = ours.get() if hasattr(ours, "get") else np.asarray(ours)
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            np.testing.assert_allclose(ours, theirs, **limits)
