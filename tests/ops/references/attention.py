"""Attention, rotary embedding and ALiBi by onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdsl.ops.attention.attention import Attention
from netdsl.ops.attention.positions import Alibi, Rotary
from ops.harness import reference, run_onnx


@reference(Attention)
def attention(op: Attention, q: Any, k: Any, v: Any, keep: Any = None, bias: Any = None) -> Any:
    shape = (*q.shape[:3], k.shape[2])
    if 0 in shape:
        return np.zeros((*q.shape[:3], v.shape[3]), q.dtype)
    mask = np.zeros(shape, q.dtype) if bias is None else np.broadcast_to(bias, shape)
    if keep is not None:
        mask = np.where(keep, mask, -np.inf).astype(q.dtype)
    past = shape[3] - shape[2]
    if q.dtype == np.float64:
        if op.causal:
            mask = np.where(np.tri(shape[2], shape[3], past, dtype=bool), mask, -np.inf)
        return _composed(op, q, k, v, mask)
    if op.causal and past < 0:  # onnx has no cache of negative length
        mask = np.where(np.tri(shape[2], shape[3], past, dtype=bool), mask, -np.inf).astype(q.dtype)
    if op.causal and past > 0:  # onnx aligns queries with the last keys only where a cache is given
        cache = (k[:, :, :past], v[:, :, :past])
        k, v = k[:, :, past:], v[:, :, past:]
        inputs, outputs = (q, k, v, mask, *cache), 3
    else:
        inputs, outputs = (q, k, v, mask), 1
    attributes = {} if op.scale is None else {"scale": op.scale}
    results = run_onnx(
        "Attention", *inputs, outputs=outputs, opset=24, is_causal=int(op.causal and past >= 0), **attributes
    )
    return results if outputs == 1 else results[0]


def _composed(op: Attention, q: Any, k: Any, v: Any, mask: Any) -> Any:
    """Attention from nodes that onnxruntime has for f64; onnx's reference takes the scale in f32."""
    k, v = (np.repeat(x, q.shape[1] // k.shape[1], axis=1) for x in (k, v))
    scale = q.shape[3] ** -0.5 if op.scale is None else op.scale
    scores = run_onnx("MatMul", run_onnx("Mul", q, np.asarray(scale)), k.swapaxes(2, 3))
    weights = run_onnx("Softmax", run_onnx("Add", scores, mask), axis=-1)
    nothing_kept = np.isneginf(mask).all(-1, keepdims=True)
    return run_onnx("MatMul", np.where(nothing_kept, 0.0, weights), v)


@reference(Rotary)
def rotary(op: Rotary, x: Any, positions: Any = None) -> Any:
    size = x.shape[3] if op.rotated is None else op.rotated
    if positions is None:
        positions = np.arange(x.shape[2])
    pairs = np.arange(0, size, 2).astype(np.float64)
    speeds = run_onnx("Pow", np.float64(op.base), run_onnx("Div", -pairs, np.float64(size)))
    ids = np.broadcast_to(positions, (x.shape[0], x.shape[2]))
    angles = run_onnx("Mul", ids[..., None].astype(np.float64), speeds)
    cos, sin = (run_onnx(node, angles).astype(x.dtype) for node in ("Cos", "Sin"))
    return run_onnx(
        "RotaryEmbedding",
        x,
        cos,
        sin,
        opset=23,
        interleaved=int(op.interleaved),
        rotary_embedding_dim=0 if op.rotated is None else size,
    )


SLOPES = {  # from the paper, section 3, and for 6 and 12 heads from its published code
    1: [2**-8],
    4: [2**-2, 2**-4, 2**-6, 2**-8],
    6: [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3],
    8: [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256],
    12: [2**-1, 2**-2, 2**-3, 2**-4, 2**-5, 2**-6, 2**-7, 2**-8, 2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5],
}


@reference(Alibi)
def alibi(op: Alibi, scores: Any) -> Any:
    heads, queries, keys = scores.shape[1:]
    key_at = np.arange(keys, dtype=scores.dtype)
    query_at = np.arange(keys - queries, keys, dtype=scores.dtype)[:, None]
    slopes = np.asarray(SLOPES[heads], scores.dtype)[:, None, None]
    return run_onnx("Add", scores, run_onnx("Mul", slopes, run_onnx("Sub", key_at, query_at)))
