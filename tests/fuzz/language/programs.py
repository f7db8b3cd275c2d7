"""Well-formed programs, made from layers at random: what the check passes runs, trains, saves and predicts.

Every program is evaluated in several ways that must agree: row by row, in its canonical format, from its
saved weights, by `predict`, in batches that are accumulated, and on steps that are resumed.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

import netruntime as nr
from fuzz.campaign import showing
from netdsl.formatter import format_text
from netdsl.source import Source

SHORT = 12
SECONDS = 30.0
ROWS = 6
CLOSE = {"rtol": 2e-3, "atol": 1e-4}
INPUTS = {
    "rows": "f32[B, 6]",
    "pictures": "f32[B, 2, 8, 8]",
    "series": "f32[B, 5, 4]",
    "free series": "f32[B, T, 4]",
    "ids": "i32[B, 5]",
    "free ids": "i32[B, T]",
}
LAYERS: dict[str, list[str]] = {
    kind: text.strip().splitlines()
    for kind, text in {
        "any": """relu
tanh
gelu
silu
softplus
elu(0.5)
leaky_relu
mish
clip(-2.0, 2.0)
Dropout(0.3)
identity
stop_gradient
square -> l2_normalize(over=-1)
softmax
multiply(0.5)
residual { relu }
residual { tanh -> Dropout(0.2) }
cast(f64) -> cast(f32)
relu when training
tanh when not training
( relu | tanh ) -> add
( relu | tanh | sigmoid ) -> concat(axis=-1)
tanh * 2
relu if width == 4 else tanh""",
        "rows": """#: BatchNorm
cumsum(axis=1)
unsqueeze(1) -> squeeze(1)
flip(over=1)
LayerNorm
RMSNorm""",
        "last axis": """#: Linear(5)
#: Linear(width)
#: Linear(width, bias=false)
#: MLP([7, width])
#: { Linear(6) -> tanh } * 2
residual { #: Linear(3) -> tanh -> #b: Linear(width) } via { #v: Linear(width) }
#: Linear(6) -> #b: Linear(6) * 2 shared
( #: Linear(3) | #b: Linear(4) -> tanh ) -> concat(axis=-1)
#: for i in 0..2 { Linear(4 + i) -> relu }
#: Own(4)
#: Own(5) -> #b: Own(5)
#: Linear(6) -> #b: GroupedMix""",
        "pictures": """#: Conv(4, 3, pad=1)
#: Conv(4, 3)
#: Conv(width, 3, stride=2, pad=1)
#: ConvBN(4)
MaxPool(2)
AvgPool(2)
#: BatchNorm
#: Conv(4, 1) -> #b: GroupNorm(2)
#: InstanceNorm
#: BasicBlock(4)
#: BasicBlock(6, stride=2)
#: Conv(4, 1, bias=false)
#: DepthwiseConv(3, pad=1)
#: ConvTranspose(4, 2, stride=2)
max_pool(3, stride=1, pad=1)
pad(1)
upsample(2)
LocalResponseNorm(3)
transpose([0, 1, 3, 2])
( #: Conv(4, 1) | #b: Conv(4, 3, pad=1) ) -> concat(axis=1)""",
        "series": """#: scan LSTM(4)
#: scan GRU(4)
#: scan RNN(4) reverse
#: Recurrent(LSTM(3), layers=2)
#: Recurrent(GRU(3), bidirectional=true)
#: Linear(4) -> SinusoidalPositions
cumsum(axis=1)
flip(over=1)
#: Linear(4) -> #b: EncoderLayer(2, 8)
#: Linear(4) -> #b: EncoderLayer(2, 8, causal=true)
#: Linear(4) -> #b: MultiHeadAttention(2)
#: LearnedPositions(9)""",
    }.items()
}
STAGES = {
    "rows": LAYERS["last axis"] + LAYERS["rows"],
    "pictures": LAYERS["pictures"],
    "series": LAYERS["last axis"] + LAYERS["series"],
}
ENDS = {
    "pictures": (
        "flatten",
        "global_avg_pool",
        "global_max_pool",
        "max(over=[2, 3])",
        "adaptive_avg_pool(1) -> flatten",
    ),
    "series": ("mean(over=1)", "max(over=1)", "#: scan LSTM(3) -> max(over=1)", "sum(over=1)"),
}
LOSSES = {
    "cross_entropy(logits, label)": "i32[B]",
    "cross_entropy(logits, label, smoothing=0.1)": "i32[B]",
    "cross_entropy(logits, label, weights=[1.0, 2.0, 0.5])": "i32[B]",
    "cross_entropy(logits, label, ignore=0)": "i32[B]",
    "nll(log_softmax(logits), label)": "i32[B]",
    "mse(logits, label)": "f32[B, 3]",
    "huber(logits, label, delta=0.5)": "f32[B, 3]",
    "l1(logits, label)": "f32[B, 3]",
    "binary_cross_entropy(logits, label)": "bool[B, 3]",
    "kl_divergence(log_softmax(logits), softmax(label))": "f32[B, 3]",
    "mean(square(logits - label)) + 0.1 * mean(logits)": "f32[B, 3]",
}
OPTIMIZERS = """sgd(0.1) sgd(lr=0.05,momentum=0.9,nesterov=true) adam adamw(lr=0.01) rmsprop adagrad
adadelta nadam lamb lion""".split()
LINES = """schedule = cosine(warmup=1)
schedule = step(every=2)
schedule = plateau
clip = norm(1.0)
clip = value(0.1)
regularise = l2(0.1)
regularise "*.weight" = l1(0.01)
ema = 0.9
freeze "*bias"
recompute "*"
group "*bias" = adjust(weight_decay=0)
over "out.*"
accumulate = 2
metric share = accuracy(logits, label)
metric size = mean(logits)
patience = 1
seed = 3""".splitlines()


@dataclass(frozen=True)
class Made:
    """A program, and data for it."""

    text: str
    data: dict[str, Any]

    @property
    def inputs(self) -> dict[str, Any]:
        return {"x": self.data["x"]}


def made(random: Random) -> Made:
    name = random.choice(sorted(INPUTS))
    kind = name.removeprefix("free ")
    stages = []
    if kind == "ids":
        stages, kind = ["embed: Embedding(7, 4)"], "series"
    for _ in range(random.randint(1, 4)):
        stages.append(random.choice(STAGES[kind] if random.random() < 0.7 else LAYERS["any"]))
    if kind in ENDS:
        stages.append(random.choice(ENDS[kind]))
        stages += [random.choice(STAGES["rows"]) for _ in range(random.randint(0, 1))]
    loss, label = random.choice(sorted(LOSSES.items()))
    steps = " -> ".join(stage.replace("#", f"s{n}") for n, stage in enumerate(stages))
    lines = [f"loss = {loss}", f"optimizer = {random.choice(OPTIMIZERS)}", "epochs = 1"]
    for line in random.sample(LINES, random.randint(0, 3)):
        if ("i32" in label or "accuracy" not in line) and line.split()[0] not in " ".join(lines):
            lines.append(line)
    text = f"""net 1.0
config {{ width: int = 4 }}
block Own(n: int)(x: [*rest, D]) -> [*rest, n] {{
  param w: [D, n] = glorot
  return tanh(x @ w)
}}
block GroupedMix(x: [*rest, D]) -> [*rest, D] {{
  a, b = split(x, 2, axis=-1)
  return concat(b, a, axis=-1)
}}
model M(x: {INPUTS[name]}) -> logits: f32[B, 3] {{
  return x -> {steps} -> out: Linear(3)
}}
train {{
  input label: {label}
  {f"{chr(10)}  ".join(lines)}
}}
"""
    rng = np.random.default_rng(random.randrange(2**32))
    return Made(text, {"x": _values(rng, INPUTS[name]), "label": _values(rng, label)})


def _values(rng: np.random.Generator, type_: str) -> Any:
    dtype, _, sizes = type_.rstrip("]").partition("[")
    shape = [{"B": ROWS, "T": 4}.get(size) or int(size) for size in sizes.split(", ")]
    if dtype == "bool":
        return rng.random(shape) < 0.5
    return rng.normal(size=shape).astype("f4") if dtype == "f32" else rng.integers(0, 3, shape).astype("i4")


def trial(random: Random) -> str:
    program = made(random)
    with showing(program.text), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            net = nr.load(program.text, seed=1)
        except nr.NetError as refused:
            assert str(refused)
            return f"refused by the check: {refused.code}"
        logits = net(**program.inputs)
        _agrees_with_itself(net, program, logits)
        return _trained(random, program)


def _agrees_with_itself(net: nr.Network, program: Made, logits: Any) -> None:
    """Row by row, and in its canonical format."""
    x = program.data["x"]
    assert logits.shape == (ROWS, 3) and logits.dtype == np.float32
    alone = np.concatenate([net(x=x[n : n + 1]) for n in range(ROWS)])
    np.testing.assert_allclose(alone, logits, **CLOSE, err_msg="row by row")
    text = format_text(Source("made.net", program.text))
    np.testing.assert_array_equal(nr.load(text, seed=1)(x=x), logits, err_msg="in its canonical format")


def _trained(random: Random, program: Made) -> str:
    """Train on it, with a checkpoint that is resumed, and use the weights in every way."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        settings: dict[str, Any] = {"seed": 2, "batch_size": random.choice((2, 3, 6))}
        try:
            result = nr.fit(program.text, program.data, epochs=2, **settings)
        except nr.NetError as refused:
            return f"refused by the training: {_allowed(refused)}"
        network = result.network()
        _saved(network, program)
        first = nr.fit(program.text, program.data, out="run", steps=1, epochs=2, **settings)
        assert first.step == 1
        again = nr.fit(program.text, program.data, out="run", epochs=2, resume=True, **settings)
        for name, array in result.weights.items():
            np.testing.assert_array_equal(again.weights[name], array, err_msg=f"{name} after a resumed run")
        _measured(program, result)
        return "trained"


def _allowed(refused: nr.NetError) -> str:
    """Reasons for which training may refuse a program that is right."""
    assert refused.code in (
        "E1071",
        "E1070",
        "E1078",
        "E1082",
        "E1084",
        "E1132",
        "E1133",
        "E1134",
        "E1072",
    ), str(refused)
    return refused.code


def _saved(network: nr.Network, program: Made) -> None:
    """The weights from a file, and the predictions with them."""
    logits = network(**program.inputs)
    network.save("w.safetensors")
    nr.write_weights("w.npz", network.weights, {})
    for path in ("w.npz", "w.safetensors"):
        loaded = nr.load(program.text, path)
        np.testing.assert_array_equal(loaded(**program.inputs), logits, err_msg=f"from {path}")
    predicted = nr.predict(program.text, program.inputs, "w.safetensors", batch_size=ROWS)["logits"]
    np.testing.assert_array_equal(predicted, logits, err_msg="predictions")


def _measured(program: Made, result: Any) -> None:
    """The figures of an evaluation do not depend on its batches."""
    figures = [
        nr.evaluate(program.text, program.data, result.weights, batch_size=size).figures[""]
        for size in (2, 6)
    ]
    for name, value in figures[0].items():
        np.testing.assert_allclose(figures[1][name], value, rtol=1e-3, atol=1e-4, err_msg=name)
