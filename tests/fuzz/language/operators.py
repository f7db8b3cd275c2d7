"""Every operator and standard block with odd arguments, on tensors of odd shapes: a check says yes or no."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from random import Random

from fuzz.campaign import showing
from netdsl.checker import check
from netdsl.diagnostics import NetError
from netdsl.modules import load_module, std_block, std_index
from netdsl.ops.contract.base import REGISTRY
from netdsl.source import Source

SHORT = 400
ODD = """0 1 2 3 -1 -2 2147483648 4611686018427387904 9223372036854775807 -9223372036854775807
(2**63) 1e308 -1e308 1e-320 0.5 -0.0 1e999 "" "same" "abc" [] [0] [-1] [1,1] [2**62,2]
[[]] [B] true false none B B*4 B//0 B-1 (1-B) T x f32 bool i64 relu Linear Linear(4) zeros
normal(1e308) spread(1,3) [1]*64""".split()
SHAPES = """[] [B] [B,4] [B,T,4] [2,3,8,8] [B,3,H,W] [0,4] [4,0] [1,1,1,1] [2,3,4,5,6] [B,4611686018427387904]
[B,T,1] [4,4] [B,B] [9223372036854775807]""".split()
TYPES = "f32 f32 f32 f16 bf16 f64 i8 u8 i32 i64 bool".split()


@cache
def attributes(name: str) -> tuple[str, ...]:
    """The static arguments of an operator or a block."""
    if name in REGISTRY:
        return tuple(field.name for field in fields(REGISTRY[name]))
    found = std_block(name)
    return tuple(param.name.text for param in found[0].statics) if found else ()


def program(random: Random) -> str:
    name = random.choice([*REGISTRY, *std_index()])
    inputs = [f"{n}: {random.choice(TYPES)}{random.choice(SHAPES)}" for n in ("x", "y", "z")]
    known = attributes(name)
    chosen = random.sample(known, random.randint(0, len(known)))
    named = [f"{word}={random.choice(ODD)}" for word in chosen]
    plain = random.choices(ODD, k=random.choice([0, 0, 0, 1, 2]))
    tensors = ["x", "y", "z"][: random.choice([0, 1, 1, 1, 2, 3])]
    call = f"{name}({', '.join([*tensors, *plain, *named])})"
    if name not in REGISTRY and random.random() < 0.7:
        call = f"{name}({', '.join([*plain, *named])})({', '.join(tensors)})"
    elif random.random() < 0.1:
        call = f"x[{random.choice(ODD)}:{random.choice(ODD)}:{random.choice(ODD)}, {random.choice(ODD)}]"
    return f"net 1.0\nmodel M({', '.join(inputs)}) {{\n  return {call}\n}}\n"


def trial(random: Random) -> str:
    text = program(random)
    with showing(text):
        try:
            check(load_module(Source("odd.net", text)))
        except NetError as wrong:
            assert str(wrong)
            return "refused"
    return "checked"
