"""The families of bombs: for each a text of any size, and the largest size that is tried."""

from __future__ import annotations

from collections.abc import Callable

Family = tuple[Callable[[int], str], int]


def model(body: str, inputs: str = "x: f32[B, 4]") -> str:
    return f"model M({inputs}) {{\n  {body}\n}}\n"


def training(lines: str) -> str:
    return (
        "model M(x: f32[B, 4]) -> logits: f32[B, 4] { return x -> hidden_layer: Linear(4) }\n"
        f"train {{\n  input label: i32[B]\n  loss = cross_entropy(logits, label)\n  {lines}\n}}\n"
    )


def many(n: int, line: str, separator: str = "\n") -> str:
    """`line` n times, with its number in place of `#`."""
    return separator.join(line.replace("#", str(i)) for i in range(n))


def doubling(n: int, first: str, call: str = "{a} -> {a}", use: str = "return x -> {a}") -> str:
    """Blocks that each call the one before twice."""
    blocks = "".join(f"block A{i + 1} = {call.replace('{a}', f'A{i}')}\n" for i in range(n))
    return f"{first}\n{blocks}{model(use.replace('{a}', f'A{n}'))}"


def lets(n: int, first: str, step: str, last: str = "return expand(x, [a#, B, 4])") -> str:
    """Values that each are made of the one before."""
    lines = [f"let a{i + 1} = {step.replace('{a}', f'a{i}')}" for i in range(n)]
    return model("\n  ".join([f"let a0 = {first}", *lines, last.replace("#", str(n))]))


def entries(n: int, first: str, step: str) -> str:
    lines = "\n".join(f"a{i + 1} = {step.replace('{a}', f'a{i}')}" for i in range(n))
    return f"config {{\na0 = {first}\n{lines}\n}}\n"


TEXT: dict[str, Family] = {
    "blank lines at the end": (lambda n: model("return x") + "\n" * n, 900_000),
    "blank lines first": (lambda n: "\n" * n + model("return x"), 900_000),
    "blank lines between": (lambda n: model("return x") + "\n" * n + model("return x"), 900_000),
    "blank lines in a body": (lambda n: model("a = x" + "\n" * n + "  return a"), 900_000),
    "comments": (lambda n: "#\n" * n + model("return x"), 450_000),
    "docs": (lambda n: "##\n" * n + model("return x"), 300_000),
    "docs of parameters": (
        lambda n: "block A(\n" + many(n, "##\n a#=1,\n") + "b=2)(x) { return x }\n",
        60_000,
    ),
    "one long line of parameters": (
        lambda n: f"block A({many(n, 'a#=1', ', ')})(x) {{ return x }}\n",
        100_000,
    ),
    "spaces": (lambda n: " " * n + model("return x"), 900_000),
    "open brackets": (lambda n: "config { a = " + "(" * n + " }\n", 900_000),
    "wrong closers": (lambda n: "config { a = " + "(" * n + "]" * n + " }\n", 450_000),
    "closers alone": (lambda n: "config { a = " + "]" * n + " }\n", 900_000),
    "mixed brackets": (lambda n: "config { a = " + "([" * n + ")]" * n + " }\n", 200_000),
    "bad characters": (lambda n: "$ a\n" * n, 200_000),
    "unclosed strings": (lambda n: '"a\n' * n, 300_000),
    "words that start nothing": (lambda n: "a\n" * n, 400_000),
    "syntax errors late": (lambda n: "config {\n" + many(n, "a# = 1") + "\nb = = 2\n}\n", 60_000),
    "errors in many items": (lambda n: many(n, "config { a = = }"), 50_000),
    "a long name": (lambda n: model(f"return x -> {'a' * n}: Linear(4)"), 900_000),
    "a long string": (lambda n: f'config {{ a = "{"a" * n}" }}\n', 900_000),
    "a long comment": (lambda n: "#" * n + "\n" + model("return x"), 900_000),
    "a long number": (lambda n: f"config {{ a = {'9' * n} }}\n", 900_000),
    "a long float": (lambda n: f"config {{ a = 0.{'9' * n} }}\n", 900_000),
    "escapes": (lambda n: f'config {{ a = "{chr(92) * 2 * n}" }}\n', 400_000),
    "binary minus": (lambda n: f"config {{ a = 1{' - 1' * n} }}\n", 200_000),
    "unary minus": (lambda n: f"config {{ a = {'-' * n}1 }}\n", 200_000),
    "not": (lambda n: f"config {{ a = {'not ' * n}true }}\n", 200_000),
    "else": (lambda n: f"config {{ a = {'1 if true else ' * n}1 }}\n", 60_000),
    "and": (lambda n: f"config {{ a = {'true and ' * n}true }}\n", 100_000),
    "power": (lambda n: f"config {{ a = {'2 ** ' * n}1 }}\n", 100_000),
    "a flat list": (lambda n: f"config {{ a = [{'1, ' * n}] }}\n", 300_000),
    "a nested list": (lambda n: f"config {{ a = {'[1, ' * n}{']' * n} }}\n", 200_000),
    "trailers": (lambda n: f"config {{ a = b{'(1)' * n} }}\n", 200_000),
    "arguments": (lambda n: model(f"return x -> Linear({many(n, 'a#=1', ', ')})"), 100_000),
    "positional arguments": (lambda n: model(f"return x -> Linear({many(n, '1', ', ')})"), 200_000),
}
NAMES: dict[str, Family] = {
    "models": (lambda n: many(n, "model A#(x: f32[B]) { return x }"), 25_000),
    "models of one name": (lambda n: many(n, "model A(x: f32[B]) { return x }"), 25_000),
    "blocks": (lambda n: many(n, "block A#(x) { return x }"), 30_000),
    "blocks with unused names": (lambda n: many(n, "block A#(x) { a = 1\n b = 2\n return x }"), 20_000),
    "chains": (lambda n: many(n, "block A# = relu"), 40_000),
    "config entries": (lambda n: "config {\n" + many(n, "a# = 1") + "\n}\n" + model("return x"), 60_000),
    "config sections": (lambda n: many(n, "config { a# = 1 }") + "\n" + model("return x"), 40_000),
    "config entries of one name": (lambda n: "config {\n" + many(n, "a = 1") + "\n}\n", 90_000),
    "entries and models": (
        lambda n: "config {\n" + many(n, "a# = 1") + "\n}\n" + many(n, "model A#(x: f32[B]) { return x }\n"),
        15_000,
    ),
    "entries and versions": (
        lambda n: (
            "config {\n"
            + many(n, "a# = 1")
            + "\n}\nblock V(k)(x) { return x }\n"
            + model("y = x\n" + many(n, " -> V(#)", "\n").join(["return y", ""]))
        ),
        8_000,
    ),
    "tests": (
        lambda n: model("return x") + many(n, 'test "t#" { y = M(ones([2, 4]))\n expect y is f32[2, 4] }'),
        15_000,
    ),
    "weights rules": (
        lambda n: model("return x") + "weights w {\n" + many(n, '"a#" => "b#"') + "\n}\n",
        60_000,
    ),
    "inputs": (lambda n: f"model M({many(n, 'x#: f32[B]', ', ')}) {{ return x0 }}\n", 25_000),
    "outputs": (lambda n: model(f"return {many(n, 'x', ', ')}"), 100_000),
    "symbols": (lambda n: f"model M({many(n, 'x#: f32[B#]', ', ')}) {{ return x0 }}\n", 25_000),
    "axes": (lambda n: f"model M(x: f32[{many(n, 'B#', ', ')}]) {{ return x }}\n", 100_000),
    "binds": (lambda n: model(many(n, "y# = relu(x)\n  ", "") + "return x"), 50_000),
    "binds in a chain": (
        lambda n: model("y0 = x\n  " + "".join(f"y{i + 1} = relu(y{i})\n  " for i in range(n)) + "return x"),
        50_000,
    ),
    "parallel names": (
        lambda n: model(f"{many(n, 'a#', ', ')} = split(x, {n}, axis=1)\n  return a0", f"x: f32[B, {n}]"),
        60_000,
    ),
    "parameters": (lambda n: model(many(n, "param w#: [4] = zeros\n  ", "") + "return x"), 40_000),
    "layers": (lambda n: model(many(n, "layer l# = Linear(4)\n  ", "") + "return x"), 40_000),
    "states": (
        lambda n: (
            f"cell C(x: [B, D]) {{\n{many(n, ' state h#: [B, D] = zeros')}\n"
            + f"{many(n, ' next h# = x')}\n return x\n}}\n"
            + model("return x -> scan C", "x: f32[B, T, 4]")
        ),
        10_000,
    ),
    "unknown names among many": (
        lambda n: (
            "config {\n"
            + many(n, "hidden_size# = 1")
            + "\n}\n"
            + model(many(60, "y# = hiden_size_#\n  ", "") + "return x")
        ),
        50_000,
    ),
    "wrong arguments among many": (
        lambda n: (
            f"block A({many(n, 'width#=1', ', ')})(x) {{ return x }}\n"
            + model(many(60, "y# = A(widht_#=2)(x)\n  ", "") + "return x")
        ),
        50_000,
    ),
    "long unknown names": (
        lambda n: (
            "config {\n"
            + many(n, "b" * 190 + "#=1")
            + "\n}\n"
            + model(many(60, "y# = " + "b" * 180 + "a#\n  ", "") + "return x")
        ),
        4_000,
    ),
    "unknown labels": (lambda n: training(many(n, 'freeze "hiden_layer.#"')), 20_000),
    "unknown models": (
        lambda n: (
            model("return x") + many(60, 'test "t#" { y = MM(x) }') + many(n, "block MN#(x) { return x }\n")
        ),
        20_000,
    ),
    "errors": (lambda n: model(many(n, "y# = unknown#\n  ", "") + "return x"), 30_000),
    "wrong types": (lambda n: model(many(n, "y# = x @ x\n  ", "") + "return x"), 30_000),
}
STEPS: dict[str, Family] = {
    "repeat": (lambda n: model(f"return x -> relu * {n}"), 999_999),
    "repeat of layers": (lambda n: model(f"return x -> Linear(4) * {n}"), 499_999),
    "repeat shared": (lambda n: model(f"return x -> Linear(4) * {n} shared"), 499_999),
    "repeat of a residual": (lambda n: model(f"return x -> residual {{ relu -> relu }} * {n}"), 299_999),
    "repeat below a long label": (
        lambda n: model(f"return x -> {'a' * 200}: {{ {'b' * 200}: {{ relu -> relu }} * {n} }}"),
        299_999,
    ),
    "for": (lambda n: model(f"return x -> for i in 0..{n} {{ relu }}"), 999_999),
    "for nothing": (lambda n: model(f"return x -> for i in 0..{n} {{ identity when i < 0 }}"), 999_999),
    "for in for": (lambda n: model(f"return x -> for i in 0..{n} {{ for j in 0..{n} {{ identity }} }}"), 999),
    "for with a list": (
        lambda n: (
            "config { l = [0] * 90000 }\n"
            + model(f"return x -> for i in 0..{n} {{ relu when l + [i] == l }}")
        ),
        99_999,
    ),
    "for with long comparisons": (
        lambda n: (
            "config { l = [0] * 90000 }\n" + model(f"return x -> for i in 0..{n} {{ relu when l == l }}")
        ),
        999_999,
    ),
    "versions of a block": (
        lambda n: "block V(k)(x) { return x }\n" + model(f"return x -> for i in 0..{n} {{ V(i) }}"),
        99_999,
    ),
    "versions by size": (
        lambda n: (
            "block V(x) { return concat(x, x, axis=0) }\n"
            + model(f"return x -> for i in 0..{n} {{ V }}", "x: f32[1, 4]")
        ),
        62,
    ),
    "versions of Linear": (lambda n: model(f"return x -> for i in 1..{n} {{ Linear(i) }}"), 99_999),
    "fork": (lambda n: model(f"return x -> ({many(n, 'relu', ' | ')}) -> concat(axis=1)"), 60_000),
    "fork of a fork": (lambda n: model("return x -> " + " -> ".join(["(relu | relu)"] * n)), 60_000),
    "sum": (lambda n: model(f"return {many(n, 'x', ' + ')}"), 100_000),
    "linear": (lambda n: model("return x" + " -> Linear(4)" * n), 50_000),
    "labelled linear": (lambda n: model("return x" + many(n, " -> a#: Linear(4)", "")), 40_000),
    "split": (lambda n: model(f"return split(x, {n}, axis=1)", f"x: f32[B, {n}]"), 2_000_000_000),
    "split of a free axis": (lambda n: model(f"return split(x, {n}, axis=1)", "x: f32[1, B]"), 2_000_000_000),
    "split by sizes": (
        lambda n: model(f"return split(x, sizes=[1] * {n}, axis=1)", f"x: f32[B, {n}]"),
        2_000_000_000,
    ),
    "concat of many": (
        lambda n: model(f"y = split(x, {n}, axis=1)\n  return concat(y, axis=1)", f"x: f32[B, {n}]"),
        100_000,
    ),
    "concat of one tensor": (lambda n: model(f"return concat({many(n, 'x', ', ')}, axis=1)"), 100_000),
    "groups": (lambda n: model("return x -> " + "{ " * n + "relu" + " }" * n), 100),
    "residuals": (lambda n: model("return x -> " + "residual { " * n + "relu" + " }" * n), 100),
    "doubling identity": (lambda n: doubling(n, "block A0 = identity"), 30),
    "doubling relu": (lambda n: doubling(n, "block A0 = relu -> tanh"), 30),
    "doubling Linear": (lambda n: doubling(n, "block A0 = Linear(4)"), 30),
    "doubling in a layer": (
        lambda n: doubling(
            n,
            "block A0 = Linear(4)",
            use="layer l = {a}\n  a = l(x)\n  b = l(a)\n  return l(b)".replace("{a}", f"A{n}"),
        ),
        30,
    ),
    "tenfold": (lambda n: doubling(n, "block A0 = Linear(4)", call=" -> ".join(["{a}"] * 10)), 30),
    "doubling in training": (
        lambda n: (
            doubling(n, "block A0 = Linear(4)")
            + 'train {\n  input label: f32[B, 4]\n  loss = mse(M(x), label)\n  freeze "nothing.*"\n}\n'
        ),
        19,
    ),
    "doubling under recompute": (
        lambda n: (
            doubling(n, "block A0 = identity")
            + 'train {\n  input label: f32[B, 4]\n  loss = mse(M(x), label)\n  recompute "nothing.*"\n}\n'
        ),
        30,
    ),
    "doubling with arguments": (
        lambda n: (
            "block A0(k) = identity\n"
            + "".join(f"block A{i + 1}(k) = A{i}(2*k) -> A{i}(2*k + 1)\n" for i in range(n))
            + model(f"return x -> A{n}(1)")
        ),
        30,
    ),
    "blocks given to blocks": (
        lambda n: (
            "block Two(f, g)(x) { return x -> f -> g }\n"
            + lets(n, "Linear(4)", "Two({a}, {a})", "return x -> a#")
        ),
        40,
    ),
    "scans": (
        lambda n: (
            "cell C(x: [B, D]) {\n state h: [B, D] = zeros\n next h = h + x\n return h'\n}\n"
            + model(f"return x -> for i in 0..{n} {{ scan C }}", "x: f32[B, T, 4]")
        ),
        20_000,
    ),
    "doubling in a cell": (
        lambda n: (
            "block A0 = relu\n"
            + "".join(f"block A{i + 1} = A{i} -> A{i}\n" for i in range(n))
            + f"cell C(x: [B, D]) {{\n state h: [B, D] = zeros\n next h = h + x\n return A{n}(h')\n}}\n"
            + model("return x -> scan C", "x: f32[B, T, 4]")
        ),
        30,
    ),
}
VALUES: dict[str, Family] = {
    "spread": (lambda n: f"config {{ a = spread(1, {n}) }}\n", 10**15),
    "indices": (lambda n: f"config {{ a = indices(0, {n}) }}\n", 10**15),
    "a list times a number": (lambda n: f"config {{ a = [0] * {n} }}\n", 10**15),
    "lists that double": (lambda n: entries(n, "[1, 2]", "{a} + {a}"), 40),
    "texts that double": (lambda n: entries(n, '"ab"', "{a} + {a}"), 40),
    "lists of lists": (lambda n: entries(n, "[1, 2]", "[{a}, {a}]"), 40),
    "lists copied": (lambda n: "config {\nl = [0] * 90000\n" + many(n, "a# = l + [1]") + "\n}\n", 30_000),
    "lists reversed": (
        lambda n: "config {\nl = [0] * 90000\n" + many(n, "a# = reverse(l)") + "\n}\n",
        30_000,
    ),
    "lists summed": (lambda n: "config {\nl = [1] * 90000\n" + many(n, "a# = sum(l)") + "\n}\n", 30_000),
    "products": (lambda n: "config {\nl = [1] * 90000\n" + many(n, "a# = prod(l)") + "\n}\n", 30_000),
    "maxima": (lambda n: "config {\nl = [1] * 90000\n" + many(n, "a# = max(l)") + "\n}\n", 30_000),
    "lists in lists": (lambda n: "config {\nl = [0] * 90000\n" + many(n, "a# = [l]") + "\n}\n", 30_000),
    "texts copied": (
        lambda n: 'config {\nl = "' + "a" * 90000 + '"\n' + many(n, 'a# = l + "b"') + "\n}\n",
        30_000,
    ),
    "texts compared": (
        lambda n: 'config {\nl = "' + "a" * 90000 + '"\n' + many(n, 'a# = l + "b" == l + "b"') + "\n}\n",
        30_000,
    ),
    "lists as arguments": (
        lambda n: (
            "config { l = [0] * 90000 }\nblock V(k)(x) { return x }\n" + model("return x" + " -> V(l)" * n)
        ),
        30_000,
    ),
    "lists in reshape": (
        lambda n: "config { l = [1] * 90000 }\n" + model(many(n, "y# = reshape(x, l)\n  ", "") + "return x"),
        20_000,
    ),
    "lists in sums of axes": (
        lambda n: "config { l = [0] * 90000 }\n" + model(many(n, "y# = sum(x, l)\n  ", "") + "return x"),
        20_000,
    ),
    "lists in tile": (
        lambda n: "config { l = [1] * 90000 }\n" + model(many(n, "y# = pad(x, l, l)\n  ", "") + "return x"),
        20_000,
    ),
    "constants": (lambda n: model(f"let a = constant([{'1, ' * n}], [{n}])\n  return x"), 90_000),
    "sizes squared": (lambda n: lets(n, "B + 4", "{a} * {a}"), 200),
    "sizes times": (lambda n: lets(n, "B", "{a} * (B + 1)"), 200),
    "sizes in max": (lambda n: lets(n, "B", "max({a}, B * 2) // 2 + min({a}, B)"), 200),
    "sizes divided": (lambda n: lets(n, "B", "({a} + 1) // 2"), 2_000),
    "sizes divided by sizes": (lambda n: lets(n, "B", "({a} * B + 1) // (B + 2)"), 200),
    "long sizes again": (
        lambda n: (
            "model M("
            + many(40, "x#: f32[S#]", ", ")
            + ") {\n  let a = "
            + many(40, "S#", " + ")
            + "\n"
            + many(n, "  let b# = a * (a - S0) // 2 - a\n", "")
            + "  return x0\n}\n"
        ),
        20_000,
    ),
    "tensors of long sizes": (
        lambda n: (
            "model M("
            + many(40, "x#: f32[S#]", ", ")
            + f") {{\n  y = concat({many(40, 'x#', ', ')}, axis=0)\n"
            + many(n, "  z# = relu(y)\n", "")
            + "  return y\n}\n"
        ),
        30_000,
    ),
    "long names of sizes": (
        lambda n: (
            "model M("
            + many(30, "x#: f32[" + "s" * 150 + "#]", ", ")
            + f") {{\n  y = concat({many(30, 'x#', ', ')}, axis=0)\n"
            + many(n, "  z# = y @ y\n", "")
            + "  return y\n}\n"
        ),
        20_000,
    ),
    "einsum": (lambda n: model(f'return einsum("{"ab" * n}->{"a" * n}", x)'), 30_000),
    "einsum by name": (lambda n: model(f"return einsum(x => [{many(n, 'a#', ', ')}])"), 30_000),
    "rearrange": (
        lambda n: model(f"return x -> [B, {many(n, 'a#', '*')}] => [B, {many(n, 'a#', ', ')}]"),
        30_000,
    ),
    "rearrange ones": (lambda n: model(f"return x -> [B, d] => [B, d{', 1' * n}]"), 60_000),
    "sections of training": (lambda n: training("") + many(n, "train t# {\n  loss = mse(M(x), x)\n}"), 3_000),
    "metrics": (lambda n: training(many(n, "metric m# = mean(logits)")), 20_000),
    "values in training": (lambda n: training(many(n, "let v# = 1")), 40_000),
    "stars in a pattern": (lambda n: training(f'freeze "{"*e" * n}x"'), 200_000),
    "patterns": (lambda n: training(many(n, 'freeze "*e*e*r*.weight"')), 30_000),
    "patterns of many weights": (
        lambda n: (
            model("return x" + many(n, " -> a#: Linear(4)", ""))
            + "train {\n  input label: f32[B, 4]\n  loss = mse(M(x), label)\n"
            + many(n, '  freeze "M.*a#.w*"\n', "")
            + "}\n"
        ),
        20_000,
    ),
}
FAMILIES = TEXT | NAMES | STEPS | VALUES
