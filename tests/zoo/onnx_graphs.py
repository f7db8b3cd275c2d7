"""ONNX graphs written by hand and run by onnxruntime: the implementation that is not ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]

OPSET = 20


class OnnxGraph:
    """A graph under construction: each method adds nodes and returns the name of their result.

    Args:
        weights: Arrays by name; a layer `fc1` has `fc1.weight` and, if it is there, `fc1.bias`.
        torch: Whether the weights of dense layers are stored `[out, in]`, as PyTorch does.
    """

    def __init__(self, weights: Mapping[str, Array], *, torch: bool = False) -> None:
        self.weights = weights
        self.torch = torch
        self.feeds: dict[str, Array] = {}
        self._nodes: list[Any] = []
        self._initializers: dict[str, Any] = {}

    def run(self, *outputs: str) -> list[Array]:
        """The values of these results."""
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in self.feeds.items()
        ]
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self._nodes, "zoo", inputs, results, list(self._initializers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return list(session.run(list(outputs), self.feeds))

    # -- values -----------------------------------------------------------------------------------

    def input(self, name: str, array: Array) -> str:
        self.feeds[name] = array
        return name

    def weight(self, name: str) -> str:
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.ascontiguousarray(self.weights[name]), name)
        return name

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        name = f"constant{len(self._initializers)}"
        self._initializers[name] = numpy_helper.from_array(np.asarray(value, dtype=dtype), name)
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one result."""
        return self.add_many(kind, *inputs, outputs=1, **attributes)[0]

    def add_many(self, kind: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        names = [f"{kind.lower()}{len(self._nodes)}_{n}" for n in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    # -- layers -----------------------------------------------------------------------------------

    def conv(self, x: str, layer: str, stride: int = 1, pad: int = 0) -> str:
        operands = [x, self.weight(f"{layer}.weight"), *self._bias(layer)]
        return self.add("Conv", *operands, strides=[stride] * 2, pads=[pad] * 4)

    def conv_transpose(self, x: str, layer: str, stride: int, pad: int, output_pad: int) -> str:
        operands = [x, self.weight(f"{layer}.weight"), *self._bias(layer)]
        return self.add(
            "ConvTranspose",
            *operands,
            strides=[stride] * 2,
            pads=[pad] * 4,
            output_padding=[output_pad] * 2,
        )

    def dense(self, x: str, layer: str) -> str:
        weight = self.weight(f"{layer}.weight")
        product = self.add("MatMul", x, self.add("Transpose", weight) if self.torch else weight)
        bias = self._bias(layer)
        return self.add("Add", product, bias[0]) if bias else product

    def batch_norm(self, x: str, layer: str) -> str:
        operands = [
            self.weight(f"{layer}.{part}") for part in ("weight", "bias", "running_mean", "running_var")
        ]
        return self.add("BatchNormalization", x, *operands, epsilon=1e-5)

    def layer_norm(self, x: str, layer: str, eps: float) -> str:
        operands = [self.weight(f"{layer}.weight"), self.weight(f"{layer}.bias")]
        return self.add("LayerNormalization", x, *operands, axis=-1, epsilon=eps)

    def local_response_norm(self, x: str) -> str:
        return self.add("LRN", x, size=5, alpha=1e-4, beta=0.75, bias=1.0)

    def max_pool(self, x: str, size: int, stride: int, pad: int = 0, ceil: bool = False) -> str:
        return self.add(
            "MaxPool",
            x,
            kernel_shape=[size] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
            ceil_mode=int(ceil),
        )

    def avg_pool(self, x: str, size: Sequence[int], stride: Sequence[int]) -> str:
        return self.add("AveragePool", x, kernel_shape=list(size), strides=list(stride))

    def global_avg_pool(self, x: str) -> str:
        return self.add("Flatten", self.add("GlobalAveragePool", x))

    def reshape(self, x: str, *sizes: int) -> str:
        return self.add("Reshape", x, self.constant(sizes))

    def relu(self, x: str) -> str:
        return self.add("Relu", x)

    def flatten(self, x: str) -> str:
        return self.add("Flatten", x)

    def _bias(self, layer: str) -> list[str]:
        return [self.weight(f"{layer}.bias")] if f"{layer}.bias" in self.weights else []
