"""Matrix products by onnxruntime."""

from __future__ import annotations

from typing import Any

from netdsl.ops.linear.einsum import Einsum
from netdsl.ops.linear.linear import Linear, MatMul
from ops.harness import reference, run_onnx


@reference(MatMul)
def matmul(op: MatMul, a: Any, b: Any) -> Any:
    return run_onnx("MatMul", a, b)


@reference(Linear)
def linear(op: Linear, x: Any, weight: Any, bias: Any = None) -> Any:
    y = run_onnx("MatMul", x, weight)
    return y if bias is None else run_onnx("Add", y, bias)


@reference(Einsum)
def einsum(op: Einsum, *xs: Any) -> Any:
    return run_onnx("Einsum", *xs, equation=op.equation)
