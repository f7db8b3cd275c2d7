"""Small networks that the tests of drawings share, and how to build their graphs."""

from __future__ import annotations

import networkx as nx

from netdsl.checker import check
from netdsl.graph import build
from netdsl.model import Model
from netdsl.modules import load_module
from netdsl.source import Source

CHAIN = """net 1.0
model Chain(x: f32[B, 8]) -> y: f32[B, 4] {
  return x -> a: Linear(16) -> relu -> b: Linear(4) -> tanh
}
"""

SIAMESE = """net 1.0
block Tower(n)(x: [B, D]) -> [B, n] {
  return x -> a: Linear(n) -> relu -> b: Linear(n)
}
model Siamese(x: f32[B, 8], y: f32[B, 8]) -> d: f32[B, 4] {
  layer tower = Tower(4)
  p = tower(x)
  q = tower(y)
  return p - q
}
"""

TRANSFORMER = """net 1.0
## Puts <b>words</b> into vectors & scales "them" ]]> </script> </title>.
block TokenEmbedding(vocab, width)(ids: i32[B, T]) -> [B, T, width] {
  param weight: f32[vocab, width] = normal(0.02)
  return gather(weight, ids) * sqrt(width)
}
block Scale()(x: [*rest, D]) -> [*rest, D] {
  param gain: [D] = ones
  return (x - mean(x, over=-1, keepdims=true)) * gain
}
block Attention(heads)(q: [B, T, D], kv: [B, S, D], keep: bool[B, 1, _, S]) -> [B, T, D] {
  let dh = D // heads
  Q = q  -> wq: Linear(D) -> [B, T, heads*dh] => [B, heads, T, dh]
  K = kv -> wk: Linear(D) -> [B, S, heads*dh] => [B, heads, S, dh]
  V = kv -> wv: Linear(D) -> [B, S, heads*dh] => [B, heads, S, dh]
  scores = einsum(Q[B,heads,T,dh], K[B,heads,S,dh] => [B,heads,T,S]) / sqrt(dh)
  A = softmax(scores, over=S, where=keep)
  return einsum(A[B,heads,T,S], V[B,heads,S,dh] => [B,heads,T,dh])
    -> [B, heads, T, dh] => [B, T, heads*dh] -> wo: Linear(D)
}
block EncoderLayer(heads, ff)(x: [B, S, D], keep: bool[B, 1, 1, S]) -> [B, S, D] {
  return x
    -> residual { attn: Attention(heads)(kv=x, keep=keep) } -> norm1: Scale()
    -> residual { ff1: Linear(ff) -> relu -> ff2: Linear(D) } -> norm2: Scale()
}
block DecoderLayer(heads, ff)(
  x: [B, T, D], memory: [B, S, D], keep: bool[B, 1, 1, S], causal: bool[B, 1, T, T]
) -> [B, T, D] {
  return x
    -> residual { self_attn: Attention(heads)(kv=x, keep=causal) } -> norm1: Scale()
    -> residual { cross_attn: Attention(heads)(kv=memory, keep=keep) } -> norm2: Scale()
    -> residual { ff1: Linear(ff) -> relu -> ff2: Linear(D) } -> norm3: Scale()
}
model Transformer(
  src: i32[B, S], tgt: i32[B, T], src_keep: bool[B, 1, 1, S], causal: bool[B, 1, T, T]
) -> logits: f32[B, T, 100] {
  memory = src -> src_embed: TokenEmbedding(100, 32) -> encoder: EncoderLayer(4, 64)(keep=src_keep) * 6
  return tgt -> tgt_embed: TokenEmbedding(100, 32)
    -> decoder: DecoderLayer(4, 64)(memory=memory, keep=src_keep, causal=causal) * 6
    -> head: Linear(100)
}
"""

BIDIRECTIONAL = """net 1.0
cell LSTM(hidden)(x: [B, I]) -> [B, hidden] {
  param W: [I, 4*hidden] = glorot
  param U: [hidden, 4*hidden] = orthogonal
  param b: [4*hidden] = zeros
  state h: [B, hidden] = zeros
  state c: [B, hidden] = zeros
  i, f, g, o = split(x @ W + h @ U + b, 4)
  next c = sigmoid(f) * c + sigmoid(i) * tanh(g)
  next h = sigmoid(o) * tanh(c')
  return h'
}
model Bidirectional(x: f32[B, T, 16], length: i32[B]) -> y: f32[B, T, 64] {
  return x
    -> ( fwd: scan LSTM(32)(length=length) | bwd: scan LSTM(32)(length=length) reverse )
    -> concat(axis=-1)
}
"""

SKIPS = """net 1.0
model Skips(x: f32[B, 8]) -> y: f32[B, 8] {
  a = x -> relu
  b = a -> tanh -> sigmoid
  c = b -> ( p: Linear(8) | q: Linear(8) -> relu | r: Linear(8) -> relu -> tanh ) -> add_all: Sum3()
  d = maximum(c + a, b)
  return minimum(d * x, a)
}
block Sum3()(x: [B, D], y: [B, D], z: [B, D]) -> [B, D] { return x + y + z }
"""

STAGES = """net 1.0
block Unit(w)(x: [B, D]) -> [B, w] {
  return x -> residual { a: Linear(w) -> relu -> b: Linear(w) } via { down: Linear(w) when D != w }
}
model Stages(x: f32[B, 4]) -> y: f32[B, 16] {
  return x -> stage: for s in 0..2 { for j in 0..3 { Unit(8 * (s + 1)) } } -> tie: Unit(16) * 4 shared
}
"""

ALL = {
    "chain": CHAIN,
    "siamese": SIAMESE,
    "transformer": TRANSFORMER,
    "bidirectional": BIDIRECTIONAL,
    "skips": SKIPS,
    "stages": STAGES,
}


def model_of(text: str) -> Model:
    """The only model of a text."""
    (model,) = check(load_module(Source("<text>", text))).models.values()
    return model


def graph_of(text: str) -> nx.MultiDiGraph:
    """The graph of the only model of a text."""
    return build(model_of(text))
