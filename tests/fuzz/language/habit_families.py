"""Bombs of mistakes: statements of other languages, many of them or very long, which messages translate."""

from __future__ import annotations

from fuzz.language.bomb_families import Family

_FILL = "# " + "z" * 280


def body(line: str, n: int) -> str:
    """A model of n lines; `..` in a line is a long run of spaces."""
    lines = f"  {line.replace('..', ' ' * 4000)}\n" * n
    return f"model M(x: f32[B, 8]) -> y: f32[B, 2] {{\n{lines}}}\n"


def items(line: str, n: int) -> str:
    return f"{line}\n" * n


def section(head: str, line: str, n: int) -> str:
    lines = f"  {line.replace('..', ' ' * 4000)}\n" * n
    return f"{head} {{\n{lines}}}\n"


HABITS: dict[str, Family] = {
    "parameters without a shape": (lambda n: body(f"param w  {_FILL}", n), 3300),
    "compile": (lambda n: body(f'model.compile(loss="mse")  {_FILL}', n), 3000),
    "methods": (lambda n: body(f"def f(self, x):  {_FILL}", n), 3000),
    "classes": (lambda n: items(f"class A(nn.Module):  {_FILL}", n), 3000),
    "sequential": (lambda n: items(f"model = keras.Sequential([Dense(3)])  {_FILL}", n), 3000),
    "imports of Python": (lambda n: items("from a import b", n), 20_000),
    "entries with spaces": (lambda n: section("config", "a: 1..,x", n), 200),
    "entries of JSON": (lambda n: section("config", '"a": 1,', n), 9000),
    "rules of a dictionary": (lambda n: section("weights w", '"a" -> "b",', n), 9000),
    "inputs with spaces": (lambda n: body("input x:..", n), 200),
    "ranges with spaces": (lambda n: body("for i in range(..x", n), 200),
    "layers on lines": (lambda n: body("Linear(16)", n), 9000),
    "a diagram": (lambda n: body("x -> relu -> h", n), 9000),
    "long calls": (lambda n: body("f.g" + "(" * 80 + "a" * 900 + ")" * 80, n), 500),
    "arrows of Elm": (lambda n: body("y = x " + "|> f " * 1500, n), 100),
    "lambdas": (lambda n: body("y = x -> lambda t: " + "t " * 1500, n), 100),
    "comprehensions": (lambda n: body("y = [f(i) for i in range(8)] " + "z " * 1500, n), 100),
    "choices as stages": (lambda n: body("y = x -> if a { " + "b -> " * 1000 + "c } else { d }", n), 100),
    "repetitions in front": (lambda n: body("y = x -> 3 * (" + "b -> " * 1000 + "c)", n), 100),
    "loops over lists": (lambda n: body("y = x -> for w in [" + "1," * 1000 + "1] { f(w) }", n), 50),
    "docstrings": (lambda n: body('"""' + "z " * 2000, n), 200),
    "comments of C": (lambda n: body("/* " + "z " * 2000, n), 200),
    "tuples": (lambda n: body("y = f(" + "(1,2)," * 300 + "1)", n), 200),
    "lists of stages": (lambda n: body("y = x -> [" + "a," * 500 + "a] * 3", n), 200),
}
