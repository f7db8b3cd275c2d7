"""Blocks that nothing calls are checked at their definition, for fresh sizes."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from test_all_errors import places

from netdsl.checker.context.checker import Checker
from netdsl.checker.definitions import errors_of_all
from netdsl.checker.sections.configs import configure
from netdsl.modules import Module, load_module, read_source, std_module, with_imports
from netdsl.syntax import Block

ROOT = Path(__file__).parents[2]
FILES = [
    *(ROOT / "examples").glob("*.net"),
    *(ROOT / "tests" / "cases" / "valid").glob("*.net"),
    *(ROOT / "runtime" / "netruntime" / "cli" / "starters").glob("*.net"),
]


def block(signature: str, *lines: str, kind: str = "block") -> str:
    return f"{kind} B{signature} {{\n" + "\n".join(f"  {line}" for line in lines) + "\n}\n"


WRONG = [
    (block("(x: [B, D])", "return x -> transpose([0, 1, 2])"), "E0302"),
    (block("(x: f32[B, T, D])", "y = x -> mean(over=1)", "return concat(x, y, axis=0)"), "E0302"),
    (block("(x: f32[B, D])", "return x -> cast(bool) -> relu"), "E0303"),
    (block("(x: [B, D])", "return x[:, :, 3]"), "E0302"),
    (block("(x: [B, 4])", "return x[:, 7]"), "E0302"),
    (block("(x: [B, D])", "return sum(x, over=5)"), "E0302"),
    (block("(x: [B, D])", "return softmax(x, over=2)"), "E0302"),
    (block("(x: [B, D])", "return squeeze(x, 3)"), "E0302"),
    (block("(x: [B, D])", "return concat(x, unsqueeze(x, 0), axis=0)"), "E0302"),
    (block("(x: f32[B, 10])", "return x + ones([7])"), "E0302"),
    (block("(x: f32[B, D])", "return concat(x, zeros([B + 1, D]), axis=1)"), "E0302"),
    (block("(n: int)(x: f32[B, D])", "return x -> Linear(n, bais=false)"), "E0406"),
    (block("(n: int)(x: f32[B, D])", "return x -> Linear(n, bias=3)"), "E0403"),
    (block("(x: f32[B, D]) -> f32[B, D, D]", "return x"), "E0302"),
    (block("(x: f32[B, D])", "a, b = x", "return a"), "E0209"),
    (block("(x: f32[B, D])", "y = x", "y = x", "return y"), "E0203"),
    (block("(x: f32[*rest, D])", "return x -> relu -> rellu"), "E0201"),
    (block("(x: [B, D])", "state h: [B, D] = zeros", "next h = rellu(h)", "return h", kind="cell"), "E0201"),
]


@pytest.mark.parametrize(("text", "code"), WRONG)
def test_what_is_wrong_for_all_arguments_is_reported(text: str, code: str) -> None:
    assert [found for found, _ in places(text)] == [code]


RIGHT = [
    block("(x: [B, D], y: [B, E])", "return x + y"),
    block("(x: [B, D])", "return x + ones([64])"),
    block("(x: f32[A, C])", "return x + ones([3, 4])"),
    block("(x: [B, T, D])", "return x -> reshape([B, T, 4, 16])"),
    block("(heads: int)(x: [B, T, D])", "let d = D // heads", "return x -> reshape([B, T, heads, d])"),
    block("(heads: int)(x: [B, T, D])", "assert D % heads == 0", "return x -> Linear(D // heads)"),
    block("(x: [*rest, D])", "return x[:, :, 3]"),
    block("(n: int)(x: [B, 4])", "return x[:, n]"),
    block("(x: [B, D])", "return x[:, 7]"),
    block("(x: [*rest])", "return sum(x, over=2)"),
    block("(ids: [B, T])", "return ids -> Embedding(10, 4)"),
    block("(ids: [B, T], x: [B, T, D])", "return x -> Linear(8), ids -> Embedding(10, 4)"),
    block("(x: [*rest, D])", "return x -> transpose([0, 2, 1])"),
    block("(act: function)(x: [B, D])", "return x -> act"),
    block("(inner: block)(x: [B, D])", "return x -> inner(4, wrong=3)"),
    block("(n = 3)(x: [B, 8])", "return x -> reshape([B, n, 2])"),
    block("(x: [B, C, H, W])", "return x -> Conv(8, 5) -> MaxPool(2) -> Conv(8, 5)"),
    block("(x: [B, T, D], keep: bool[B, T] = none)", "return x"),
    "block Same(x: [B, C, H, W]) = residual { Conv(8, 1) }\n",
    block("(x: [B, 2*n])", "a, b = x -> split(2, axis=1)", "return a * b"),
    block("(x: [B, D])", "return x -> for i in 0..3 { Linear(D) -> relu }"),
    block("(x: [B, D], y: [B, D])", "return x * y"),
    "block B(x) = Linear(3) -> relu\n",
    "block B = Linear(3) -> relu\n",
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_a_call_can_make_right_is_left_alone(text: str) -> None:
    assert places(text) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_blocks_of_valid_files_have_no_errors(path: Path) -> None:
    assert_sound(load_module(read_source(path, path.name), path.parent))


@pytest.mark.parametrize(
    "name", sorted(p.name for p in files("netdsl.std").iterdir() if p.name.endswith(".net"))
)
def test_standard_blocks_have_no_errors(name: str) -> None:
    assert_sound(std_module(name))


def assert_sound(module: Module) -> None:
    checker = Checker(module)
    configure(checker, module, {})
    for each in with_imports(module):
        for item in each.file.items:
            if isinstance(item, Block) and item.kind != "model":
                assert errors_of_all(checker, each, item) == []
