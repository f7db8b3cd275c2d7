"""What the operator tests share: asking implementations that are not ours.

A reference is a function `(op, *numpy arrays) -> array or tuple` that computes an operator through
onnxruntime (or the onnx package's reference evaluator where onnxruntime lacks the element type).
Register one per operator class with `@reference(OpClass)` in `tests/ops/references/<family>.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from netdsl.ops.contract.base import Op

SELECTED = os.environ.get("NETDSL_OP", "")
"""Only operators with this in their names are walked: `make op OP=..` need not collect ten thousand tests."""

Reference = Callable[..., Any]
REFERENCES: dict[type[Op], Reference] = {}
TOLERANCES: dict[type[Op], dict[str, float]] = {}


def reference(op_class: type[Op], **tolerance: float) -> Callable[[Reference], Reference]:
    """Register an independent implementation, with `rtol=` and `atol=` where the default is too tight."""

    def register(function: Reference) -> Reference:
        REFERENCES[op_class] = function
        TOLERANCES[op_class] = tolerance
        return function

    return register


def tolerance(op_class: type[Op], dtype: np.dtype[Any]) -> dict[str, float]:
    base = {"rtol": 1e-5, "atol": 1e-6} if dtype != np.float64 else {"rtol": 1e-12, "atol": 1e-13}
    return {**base, **TOLERANCES.get(op_class, {})}


def onnx_model(
    op_type: str,
    inputs: Sequence[Any],
    outputs: int = 1,
    *,
    domain: str = "",
    opset: int = 21,
    **attributes: Any,
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """A model of one node, and the feeds for it. An input of `None` is left out."""
    names = [f"i{n}" if a is not None else "" for n, a in enumerate(inputs)]
    feeds = {
        name: np.ascontiguousarray(a) if np.ndim(a) else np.asarray(a)
        for name, a in zip(names, inputs, strict=True)
        if name
    }
    results = [f"o{n}" for n in range(outputs)]
    node = helper.make_node(op_type, names, results, domain=domain, **attributes)
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in feeds.items()
    ]
    graph = helper.make_graph(
        [node], "one", infos, [helper.make_value_info(r, onnx.TypeProto()) for r in results]
    )
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), feeds


def run_onnx(
    op_type: str, *inputs: Any, outputs: int = 1, domain: str = "", opset: int = 21, **attributes: Any
) -> Any:
    """The outputs of one ONNX node, computed by onnxruntime, or by onnx's reference where that cannot."""
    model, feeds = onnx_model(op_type, inputs, outputs, domain=domain, opset=opset, **attributes)
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        results = session.run(None, feeds)
    except Exception as error:
        if not any(word in str(error) for word in ("NOT_IMPLEMENTED", "INVALID_GRAPH", "NotImplemented")):
            raise
        results = ReferenceEvaluator(model).run(None, feeds)
    return results[0] if outputs == 1 else tuple(results)


def as_tensor_proto(dtype: str) -> int:
    return int(getattr(TensorProto, dtype))
