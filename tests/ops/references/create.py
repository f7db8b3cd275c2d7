"""Constants, ranges and masks by onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from netdsl.ops.create.create import CausalMask, Constant, Range
from netdsl.ops.create.vector import Vector
from ops.harness import reference, run_onnx


@reference(Constant)
def constant(op: Constant) -> Any:
    value = numpy_helper.from_array(np.array([op.value], op.dtype.numpy_name))
    return run_onnx("ConstantOfShape", np.array([int(n) for n in op.sizes], np.int64), value=value)


@reference(Vector)
def vector(op: Vector) -> Any:
    value = numpy_helper.from_array(np.array(op.values, op.dtype.numpy_name))
    return run_onnx("Constant", value=value)


@reference(Range)
def range_(op: Range) -> Any:
    ends = (np.array(int(n), np.int64) for n in (op.start, op.stop, op.step))
    to = helper.np_dtype_to_tensor_dtype(np.dtype(op.dtype.numpy_name))
    return run_onnx("Cast", run_onnx("Range", *ends), to=to)


@reference(CausalMask)
def causal_mask(op: CausalMask) -> Any:
    rows, columns = int(op.rows), int(op.columns)
    ones, above = np.ones((rows, columns), np.float32), np.array(columns - rows, np.int64)
    return run_onnx("Trilu", ones, above, upper=0) == 1
