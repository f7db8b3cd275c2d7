"""Small models that tests generate with, and runs of them chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import netruntime as nr
from netdsl.types import DType
from netruntime.generation.incremental import FullStepper, SequenceSpec, Stepper, open_stepper

Array = np.ndarray[Any, Any]

VOCABULARY = 11

LANGUAGE_MODEL = """model Small(ids: i32[B, T]) -> logits: f32[B, T, 11] {
  return ids -> embed: Embedding(11, 16) -> %s -> out: Linear(11)
}
"""

# `Attend` is self-attention written out, in ways that people write it
SCORES = """  let dh = D // heads
  q = x -> wq: Linear(D) -> [B, T, heads*dh] => [B, heads, T, dh]
  k = x -> wk: Linear(D) -> [B, T, heads*dh] => [B, heads, T, dh]
  v = x -> wv: Linear(D) -> [B, T, heads*dh] => [B, heads, T, dh]
"""
MERGED = "-> [B, heads, T, dh] => [B, T, heads*dh]"
ATTEND = {
    "einsum": SCORES
    + "  s = einsum(q[B, heads, T, dh], k[B, heads, S, dh] => [B, heads, T, S]) / sqrt(dh)\n"
    + "  a = softmax(s, over=-1, where=causal_mask(T, T))\n"
    + f"  return einsum(a[B, heads, T, S], v[B, heads, S, dh] => [B, heads, T, dh]) {MERGED}",
    "matmul": SCORES
    + "  s = q @ transpose(k, [0, 1, 3, 2]) / sqrt(dh)\n"
    + f"  return softmax(s, where=causal_mask(T, T)) @ v {MERGED}",
    "added mask": SCORES
    + "  s = q @ transpose(k, [0, 1, 3, 2]) / sqrt(dh)\n"
    + f"  return softmax(where(causal_mask(T, T), s, -1e9)) @ v {MERGED}",
    "mask from positions": SCORES
    + "  s = q @ transpose(k, [0, 1, 3, 2]) / sqrt(dh)\n"
    + "  i = range(T) -> [T] => [T, 1]\n  j = range(T) -> [T] => [1, T]\n"
    + f"  return softmax(s, where=j <= i) @ v {MERGED}",
    "window": SCORES
    + "  i = range(T) -> [T] => [T, 1]\n  j = range(T) -> [T] => [1, T]\n"
    + f"  return attention(q, k, v, keep=i - j < 3, causal=true) {MERGED}",
    "rotary": SCORES + f"  return attention(rotary(q), rotary(k), v, causal=true) {MERGED}",
    "rotary at positions": SCORES
    + "  p = range(T) * 2\n"
    + f"  return attention(rotary(q, p), rotary(k, p), v, causal=true) {MERGED}",
    "alibi": SCORES
    + "  s = alibi(q @ transpose(k, [0, 1, 3, 2]))\n"
    + f"  return softmax(s, where=causal_mask(T, T)) @ v {MERGED}",
    "the best key": SCORES
    + "  s = where(causal_mask(T, T), q @ transpose(k, [0, 1, 3, 2]), -1e9)\n"
    + "  best, place = top_k(s, 1)\n"
    + f"  return where(s >= best, s, 0.0) @ v {MERGED}",
    "relative positions": "  param table: [64, 4] = normal(1.0)\n"
    + SCORES
    + "  i = range(T) -> [T] => [T, 1]\n  j = range(T) -> [T] => [1, T]\n"
    + "  bias = gather(table, clip(i - j + 30, 0, 63)) -> [T, S, heads] => [1, heads, T, S]\n"
    + f"  return attention(q, k, v, bias=bias, causal=true) {MERGED}",
    "heads in the batch": """  let dh = D // heads
  q = x -> wq: Linear(D) -> [B, T, heads*dh] => [B*heads, T, dh]
  k = x -> wk: Linear(D) -> [B, T, heads*dh] => [B*heads, T, dh]
  v = x -> wv: Linear(D) -> [B, T, heads*dh] => [B*heads, T, dh]
  a = softmax(q @ transpose(k, [0, 2, 1]) / sqrt(dh), where=causal_mask(T, T))
  return a @ v -> [B*heads, T, dh] => [B, T, heads*dh]""",
    "linear": """  q = x -> wq: Linear(heads) -> sigmoid
  k = x -> wk: Linear(heads) -> sigmoid
  kv = cumsum(einsum(k[B, T, K], x[B, T, D] => [B, T, K, D]), axis=1)
  z = cumsum(k, axis=1, exclusive=true)
  return einsum(q[B, T, K], kv[B, T, K, D] => [B, T, D]) / (1.0 + sum(q * z, over=-1, keepdims=true))""",
}

# `Look` looks a few positions back
TURN, BACK = "x -> [B, T, D] => [B, D, T]", "[B, D, T] => [B, T, D]"
LOOK = {
    "convolution": f"  return {TURN} -> c: Conv(16, 3, pad=[2, 0]) -> {BACK}",
    "dilated": f"  return {TURN} -> c: Conv(16, 3, pad=[4, 0], dilation=2) -> {BACK}",
    "depthwise": f"  return {TURN} -> pad([3], [0]) -> c: DepthwiseConv(4) -> {BACK}",
    "two in one padding": f"  return {TURN} -> pad([4], [0]) -> c: Conv(16, 3) -> tanh -> d: Conv(16, 3)"
    f" -> {BACK}",
    "mean of three": f"  return {TURN} -> pad([2], [0]) -> avg_pool(3, stride=1) -> {BACK}",
    "shift": "  return x + 0.5 * pad(x, [1, 0], [0, 0])[:, :-1]",
    "shift to a size": "  return x + 0.5 * pad(x, [2, 0], [0, 0])[:, :T]",
    "shift behind a start": "  param first: [1, 2, D] = normal(1.0)\n"
    "  return x + concat(expand(first, [B, 2, D]), x, axis=1)[:, 1:-1]",
}

STAGES = {
    "stopped gradient": "a: MultiHeadAttention(4, causal=true) -> stop_gradient",
    "rnn": "r: Recurrent(RNN(8), layers=2)",
    "lstm": "r: Recurrent(LSTM(8, peepholes=true), layers=2)",
    "gru": "r: Recurrent(GRU(8, reset_after=false), layers=2)",
    "sinusoidal": "p: SinusoidalPositions -> e: EncoderLayer(4, 32, causal=true) * 2",
    "learned": "p: LearnedPositions(32) -> e: EncoderLayer(4, 32, causal=true, pre=true) * 2",
    "rms": "n: RMSNorm -> e: MultiHeadAttention(4, kv_heads=2, causal=true) * 2",
    "one key head": "e: MultiHeadAttention(4, kv_heads=1, causal=true) * 2",
}

NEXT_TOKEN = """model Next(ids: i32[B, T], length: i32[B]) -> logits: f32[B, 11] {
  _, h = ids -> embed: Embedding(11, 16) -> rnn: scan RNN(8)(length=length) states
  return h -> out: Linear(11)
}
"""

LAST_POSITION = """model Last(ids: i32[B, T]) -> logits: f32[B, 11] {
  h = ids -> embed: Embedding(11, 16) -> e: EncoderLayer(4, 32, causal=true) * 2
  return h[:, -1] -> out: Linear(11)
}
"""

GROWING = """cell Cached(heads: int)(x: [B, D]) -> [B, D] {
  let dh = D // heads
  state K: [B, *past, D] = zeros
  state V: [B, *past, D] = zeros
  next K = concat(K, (x -> wk: Linear(D) -> [B, D] => [B, 1, D]), axis=1)
  next V = concat(V, (x -> wv: Linear(D) -> [B, D] => [B, 1, D]), axis=1)
  q = x -> wq: Linear(D) -> [B, heads*dh] => [B, heads, 1, dh]
  k = K' -> [B, P, heads*dh] => [B, heads, P, dh]
  v = V' -> [B, P, heads*dh] => [B, heads, P, dh]
  return attention(q, k, v) -> [B, heads, 1, dh] => [B, heads*dh] -> wo: Linear(D)
}
"""


def text_of(stage: str, blocks: str = "") -> str:
    """The text of a language model around a stage."""
    return f"net 1.0\n{blocks}\n{LANGUAGE_MODEL % stage}"


def attend_text(body: str) -> str:
    """The text of a language model of two layers of self-attention, written out."""
    return text_of("a: Attend(4) * 2", f"block Attend(heads)(x: [B, T, D]) -> [B, T, D] {{\n{body}\n}}")


def look_text(body: str) -> str:
    """The text of a language model of two layers that look a few positions back."""
    return text_of("l: Look * 2", f"block Look(x: [B, T, D]) -> [B, T, D] {{\n{body}\n}}")


def load_lively(source: Any, gain: float = 1.5, **config: Any) -> nr.Network:
    """A model whose seeded weights are so changed that its logits differ much, and no bias is 0."""
    rng = np.random.default_rng(5)
    weights = {}
    for path, array in nr.load(source, **config).weights.items():
        flat = np.ptp(array) == 0
        moved = array + rng.uniform(-0.5, 0.5, array.shape) if flat else array
        scale = gain / max(float(np.std(moved)) * np.sqrt(array.shape[-2]), 1e-6) if array.ndim > 1 else 1.0
        weights[path] = (moved * scale).astype(array.dtype)
    return nr.load(source, weights, **config)


def data_over_time(net: nr.Network, time: str, lengths: frozenset[str], length: int) -> dict[str, Array]:
    """Random values of the inputs that run over time, for two sequences."""
    rng = np.random.default_rng(0)
    found = {}
    for name, type_ in net.inputs.items():
        if name in lengths or not any(time in size.symbols for size in type_.shape):
            continue
        shape = [size.evaluate({time: length, "B": 2}) for size in type_.shape]
        if type_.dtype is DType.BOOL:
            found[name] = np.ones(shape, bool)
        elif type_.dtype.is_int:
            found[name] = rng.integers(0, VOCABULARY, shape)
        else:
            found[name] = rng.normal(size=shape).astype(np.float32)
    return found


def feed_chunks(stepper: Stepper, data: Mapping[str, Array], chunks: Sequence[int], output: str) -> list[Any]:
    """The output after each chunk."""
    found, at = [], 0
    for count in chunks:
        found.append(stepper.feed({name: array[:, at : at + count] for name, array in data.items()})[output])
        at += count
    return found


def steppers(
    net: nr.Network, spec: SequenceSpec, fixed: Mapping[str, Any] | None = None
) -> tuple[Stepper, FullStepper]:
    """One that keeps what it can, and one that keeps nothing."""
    cached, _ = open_stepper(net, spec, fixed or {})
    whole, _ = open_stepper(net, spec, fixed or {}, cached=False)
    assert isinstance(whole, FullStepper)
    return cached, whole
