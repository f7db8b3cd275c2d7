"""Reductions by onnxruntime; masks are applied with Where, counts are sums of the mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdsl.ops.reduce.reduce import LogSumExp, Max, Mean, Min, Prod, Reduction, Sum
from netdsl.ops.reduce.reduce_axis import All, ArgMax, ArgMin, CumSum
from netdsl.ops.reduce.reduce_axis import Any as AnyOf
from netdsl.ops.reduce.variance import Variance
from ops.harness import as_tensor_proto, reference, run_onnx


def fold(node: str, op: Reduction, x: Any) -> Any:
    axes = np.array(op.over or range(x.ndim), np.int64)
    return run_onnx(node, x, axes, keepdims=int(op.keepdims))


def masked(x: Any, where: Any) -> Any:
    return x if where is None else run_onnx("Where", where, x, np.zeros((), x.dtype))


@reference(Sum)
def sum_(op: Sum, x: Any, where: Any = None) -> Any:
    return fold("ReduceSum", op, masked(x, where))


@reference(Mean)
def mean(op: Mean, x: Any, where: Any = None) -> Any:
    if x.dtype == bool:
        x = run_onnx("Cast", x, to=as_tensor_proto("FLOAT"))
    if where is None:
        return fold("ReduceMean", op, x)
    count = fold("ReduceSum", op, run_onnx("Expand", where.astype(x.dtype), np.array(x.shape)))
    total = fold("ReduceSum", op, masked(x, where))
    return run_onnx("Div", total, run_onnx("Max", count, np.ones((), x.dtype)))


@reference(Prod)
def prod(op: Prod, x: Any) -> Any:
    return fold("ReduceProd", op, x)


@reference(Max)
def max_(op: Max, x: Any) -> Any:
    return fold("ReduceMax", op, x)


@reference(Min)
def min_(op: Min, x: Any) -> Any:
    return fold("ReduceMin", op, x)


@reference(Variance)
def variance(op: Variance, x: Any) -> Any:
    axes = np.array(op.over or range(x.ndim), np.int64)
    deviations = run_onnx("Sub", x, run_onnx("ReduceMean", x, axes, keepdims=1))
    squares = fold("ReduceSumSquare", op, deviations)
    count = np.prod([x.shape[axis] for axis in axes], dtype=x.dtype)
    return run_onnx("Div", squares, np.asarray(count - op.correction, x.dtype))


@reference(LogSumExp)
def logsumexp(op: LogSumExp, x: Any) -> Any:
    return fold("ReduceLogSumExp", op, x)


@reference(AnyOf)
def any_(op: AnyOf, x: Any) -> Any:
    return fold("ReduceMax", op, x.astype(np.int32)) == 1


@reference(All)
def all_(op: All, x: Any) -> Any:
    return fold("ReduceMin", op, x.astype(np.int32)) >= 1


@reference(ArgMax)
def argmax(op: ArgMax, x: Any) -> Any:
    return run_onnx("ArgMax", x, axis=op.over, keepdims=int(op.keepdims))


@reference(ArgMin)
def argmin(op: ArgMin, x: Any) -> Any:
    return run_onnx("ArgMin", x, axis=op.over, keepdims=int(op.keepdims))


@reference(CumSum)
def cumsum(op: CumSum, x: Any) -> Any:
    axis = np.array(op.axis, np.int64)
    return run_onnx("CumSum", x, axis, exclusive=int(op.exclusive), reverse=int(op.reverse))
