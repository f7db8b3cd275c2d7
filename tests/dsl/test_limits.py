"""Every limit, and that what passes it is refused soon and cheaply."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from netdsl.checker import check
from netdsl.checker.context.checker import MAX_BODIES, MAX_CALL_DEPTH
from netdsl.diagnostics import MAX_ERRORS, Diagnostic, NetError
from netdsl.graph.expand import build
from netdsl.model import MAX_NODES
from netdsl.modules import load_module, read_source
from netdsl.parsing.layout import MAX_ITEM_TOKENS, MAX_NESTING, MAX_SOURCE_BYTES
from netdsl.source import Source
from netdsl.work import MAX_STEPS, limited

SECONDS = 5.0
"""Of processor time: generous, for slow machines; each takes well under one second on a laptop."""
MEGABYTES = 50.0


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def megabytes(run: Callable[[], object]) -> float:
    """The most memory in use while something runs; tracing makes it some ten times slower."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def refused(text: str, *, trace: bool = True) -> tuple[Diagnostic, ...]:
    """What is said about a text, which must be said soon and, where traced, with little memory."""
    return complaints(lambda: check(load_module(Source("limit.net", f"net 1.0\n{text}\n"))), trace)


def complaints(run: Callable[[], object], trace: bool) -> tuple[Diagnostic, ...]:
    found: list[NetError] = []

    def attempt() -> None:
        with pytest.raises(NetError) as caught:
            run()
        found.append(caught.value)

    assert seconds(attempt) < SECONDS
    if trace:
        assert megabytes(attempt) < MEGABYTES
    return found[0].diagnostics


def code(text: str) -> str:
    return refused(text)[0].code


def model(body: str, inputs: str = "x: f32[B, 4]") -> str:
    return f"model M({inputs}) {{\n  {body}\n}}"


def accepted(text: str) -> None:
    check(load_module(Source("limit.net", f"net 1.0\n{text}\n")))


def test_long_source() -> None:
    assert code("#" * MAX_SOURCE_BYTES) == "E0601"


def test_long_file_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "long.net"
    with path.open("wb") as file:
        file.truncate(10**12)
    (found,) = complaints(lambda: read_source(path), trace=True)
    assert found.code == "E0601"


def test_long_item() -> None:
    text = "config {\n" + "a = 1\n" * (MAX_ITEM_TOKENS // 4 + 1) + "}"
    (found,) = refused(text, trace=False)
    assert found.code == "E0604"


@pytest.mark.parametrize(
    ("opener", "closer"), [("(", ")"), ("[", "]"), ("f(", ")"), ("max(1, ", ")"), ("(1 + ", ")")]
)
def test_nesting(opener: str, closer: str) -> None:
    deep = opener * (MAX_NESTING + 1) + "1" + closer * (MAX_NESTING + 1)
    assert code(f"config {{ a = {deep} }}") == "E0602"


@pytest.mark.parametrize(("opener", "closer"), [("(", ")"), ("[", "]"), ("max(1, ", ")"), ("(1 + ", ")")])
def test_nesting_up_to_the_limit_is_checked(opener: str, closer: str) -> None:
    depth = MAX_NESTING - 1
    accepted(f"config {{ a = {opener * depth}1{closer * depth} }}")


@pytest.mark.parametrize("separator", [" ", "\n"])
def test_choices(separator: str) -> None:
    assert code("config { a = " + f"1 if true else{separator}" * 200 + "2 }") == "E0602"


def test_groups_up_to_the_limit_are_checked() -> None:
    depth = MAX_NESTING - 5
    accepted(model("return x -> " + "{ " * depth + "relu" + " }" * depth))
    accepted(model("return x -> " + "residual { " * depth + "relu" + " }" * depth))


@pytest.mark.parametrize("trailer", ["[0]", "(1)", ".a"])
def test_trailers(trailer: str) -> None:
    assert code("config { a = 1" + trailer * 2000 + " }") == "E0602"


def test_repetitions_that_multiply() -> None:
    body = "return x -> " + "{ " * 10 + "relu" + " * 10 }" * 10
    (found,) = refused(model(body + " * 10"))
    assert found.code == "E0605"


def test_loops_of_nothing() -> None:
    body = "return x -> " + "for i in 0..1000 { " * 4 + "identity" + " }" * 4
    assert code(model(body)) == "E0605"


def test_the_largest_network_that_check_accepts_can_be_built() -> None:
    """Its expansion has the limit of nodes alone: work is counted from the start."""
    size = MAX_NODES - 3 * MAX_NODES // 100
    blocks = f"block Ten(k) = relu * 10\nblock Large(k) = Ten(k) * {size // 11}\n"
    checked = check(load_module(Source("large.net", f"net 1.0\n{blocks}{model('return x -> Large(1)')}\n")))
    graph = build(checked.models["M"])
    assert len(list(graph.nodes())) > 0.85 * size


def test_blocks_that_multiply() -> None:
    blocks = "".join(f"block A{n + 1} = {' -> '.join([f'A{n}'] * 10)}\n" for n in range(10))
    (found,) = refused(f"block A0 = relu\n{blocks}" + model("return x -> A10"))
    assert found.code == "E0605"


def test_blocks_of_ever_other_arguments() -> None:
    """Two calls with other arguments at each level, and no node at all: 2**30 versions of a block."""
    blocks = "".join(f"block A{n + 1}(k) = A{n}(2*k) -> A{n}(2*k + 1)\n" for n in range(30))
    (found,) = refused(f"block A0(k) = identity\n{blocks}" + model("return x -> A30(1)"), trace=False)
    assert found.code == "E0605" and f"{MAX_BODIES:,} versions" in found.message


def test_blocks_that_call_each_other_without_end() -> None:
    text = "block A(n) = B2(n + 1)\nblock B2(n) = A(n)\n" + model("return x -> A(1)")
    (found,) = refused(text)
    assert (found.code, found.message) == ("E0607", "`A` calls itself: A -> B2 -> A")


def test_a_cell_that_scans_itself() -> None:
    text = (
        "cell C(n)(x: [B, T, D]) {\n  state h: [B] = zeros\n  next h = h\n  return x -> scan C(n + 1)\n}\n"
        + model("return x -> scan C(1)", "x: f32[B, T, S, 4]")
    )
    assert {d.code for d in refused(text)} <= {"E0607", "E0310"}


def test_deep_calls() -> None:
    def chain(depth: int) -> str:
        blocks = "".join(f"block A{n + 1} = residual {{ {{ A{n} -> relu }} }}\n" for n in range(depth))
        return f"block A0 = relu\n{blocks}" + model(f"return x -> A{depth}")

    accepted(chain(MAX_CALL_DEPTH - 1))
    (found,) = refused(chain(MAX_CALL_DEPTH + 1))
    assert found.code == "E0607" and f"more than {MAX_CALL_DEPTH} deep" in found.message


def test_rank() -> None:
    assert code(model("return expand(x, [1] * 63 + [B, 4])")) == "E0606"
    accepted(model("return expand(x, [1] * 62 + [B, 4])"))


@pytest.mark.parametrize(
    "expression",
    [
        "2**70",
        "2**(2**40)",
        "3 * 9223372036854775807",
        "9223372036854775807 + 1",
        "0 - 9223372036854775807 - 9",
        "99999999999999999999999",
        "9" * 10_000,
        "[0] * 1000000000",
        "[0] * 9223372036854775807",
        "sum([9223372036854775807, 1])",
        "prod([4611686018427387904, 4])",
        "1e308 * 10.0 * 0 + 2**63",
    ],
)
def test_static_numbers(expression: str) -> None:
    assert code(f"config {{ a = {expression} }}") in ("E0603", "E0404")


def test_lists_that_double() -> None:
    lines = "\n".join(f"a{n + 1} = a{n} + a{n}" for n in range(40))
    assert code(f"config {{\na0 = [1, 2]\n{lines}\n}}") == "E0603"


def test_texts_that_double() -> None:
    lines = "\n".join(f"a{n + 1} = a{n} + a{n}" for n in range(40))
    assert code(f'config {{\na0 = "ab"\n{lines}\n}}') == "E0603"


def test_lists_of_lists() -> None:
    lines = "\n".join(f"a{n + 1} = [a{n}, a{n}]" for n in range(40))
    assert code(f"config {{\na0 = [1, 2]\n{lines}\n}}") == "E0603"


def test_blocks_given_to_blocks() -> None:
    lines = "\n  ".join(f"let a{n + 1} = Two(a{n}, a{n})" for n in range(40))
    text = "block Two(f, g)(x: [*rest]) { return x -> f -> g }\n"
    assert code(text + model(f"let a0 = Linear(4)\n  {lines}\n  return x -> a40")) in ("E0603", "E0605")


@pytest.mark.parametrize("step", ["{a} * {a}", "{a} * (B + T)", "max({a}, B * T) // 2 + min({a}, T)"])
def test_sizes_that_grow(step: str) -> None:
    lines = [f"let a{n + 1} = {step.format(a=f'a{n}')}" for n in range(60)]
    body = "\n  ".join(["let a0 = B + T", *lines, "return expand(x, [a60, B, T])"])
    assert code(model(body, "x: f32[B, T]")) == "E0603"


def test_tensors() -> None:
    assert code(model("param W: [4, 4611686018427387904] = zeros\n  return x @ W")) == "E0603"


def test_many_errors() -> None:
    lines = "\n".join(f"  y{n} = unknown{n}" for n in range(1000))
    found = refused(model(f"{lines}\n  return x"))
    assert len(found) == MAX_ERRORS + 1
    assert found[-1].code == "E0608"


def test_many_syntax_errors() -> None:
    found = refused("oops\n" * 10_000, trace=False)
    assert len(found) == MAX_ERRORS + 1
    assert found[-1].code == "E0608"


def test_deep_calls_of_deep_bodies() -> None:
    """Each is within its limit, and together they are too deep to check."""
    deep = "{ " * 80 + "A{} -> relu" + " }" * 80
    blocks = "".join(f"block A{n + 1} = {deep.replace('{}', str(n))}\n" for n in range(MAX_CALL_DEPTH - 2))
    text = f"block A0 = relu\n{blocks}" + model(f"return x -> A{MAX_CALL_DEPTH - 2}")
    (found,) = refused(text, trace=False)
    assert found.code == "E0602" and found.message == "the file nests too deep to be checked"


def test_a_way_out_that_does_not_fit_the_shape() -> None:
    """The rule for the groups of a norm looks at the channels, which a scalar does not have."""
    assert code(model("return group_norm(x, groups=-9)", "x: f32[]")) == "E0302"


def test_a_way_out_looks_for_few_divisors() -> None:
    heads = "MultiHeadAttention(heads=9223372036854775807, kv_heads=2147483648)"
    assert code(f"model M(x: f32[B, T, 64]) {{ return x -> {heads} }}") == "E0409"


def test_a_long_list_of_sizes_is_work() -> None:
    text = "model M(x: f32[B, 4]) {\n  let l = [1] * 90000\n" + "  y = reshape(x, l)\n" * 40 + "  return x\n}"
    assert {one.code for one in refused(text, trace=False)} & {"E0609", "E0606"}


def test_sums_of_long_lists_are_work() -> None:
    lines = "".join(f"  let s{n} = sum(l)\n" for n in range(3000))
    block = f"block F(n) {{\n  let l = [1] * 90000\n{lines}  return zeros([s0])\n}}\n"
    text = f"{block}model M() {{ return F(1)() }}"
    assert "E0609" in {one.code for one in refused(text, trace=False)}


def test_an_empty_array_has_other_axes_that_fit() -> None:
    big = 2**62
    assert code(f"model M() {{ return zeros([2, 0, {big}, {big}]) }}") == "E0603"


def steps(text: str) -> int:
    """The steps that checking a text takes, whether it is accepted or refused."""
    with limited() as budget, contextlib.suppress(NetError):
        accepted(text)
    return budget.spent


def test_long_lists_of_sizes_are_counted() -> None:
    """An operator goes through every element, which counts."""
    body = "let l = [1] * {}\n  return reshape(x, l)"
    long, short = (steps(model(body.format(n))) for n in (20_000, 10_000))
    assert long - short >= 10 * 10_000
    twice = model("let l = [1] * 90000\n  y = reshape(x, l)\n  z = reshape(x, l)\n  return x")
    assert refused(twice, trace=False)[-1].code == "E0609"


def test_more_axes_than_there_are() -> None:
    """Each axis is looked up by name, which counts; the list is not quoted."""
    body = "let l = [0] * 20000\n  " + "y = sum(x, l)\n  " * 2 + "return x"
    assert refused(model(body), trace=False)[0].message == "`sum` got 20,000 axes, but `x` has 2"
    long, short = (steps(model(f"let l = [0] * {n}\n  y = sum(x, l)\n  return x")) for n in (2000, 1000))
    assert long - short >= 10 * 1000


def test_sums_of_long_lists_are_counted() -> None:
    def sums(number: int) -> str:
        return "config {\nl = [1] * 90000\n" + "\n".join(f"a{n} = sum(l)" for n in range(number)) + "\n}"

    assert steps(sums(2)) - steps(sums(1)) >= 3 * 90_000
    assert code(sums(MAX_STEPS // 90_000)) == "E0609"


def test_layers_cost_more_than_operators() -> None:
    """A layer fills in its options and makes its weights, which takes several times as long."""

    def cost(stage: str) -> int:
        long, short = (steps(model("return x" + f" -> {stage}" * n)) for n in (200, 100))
        return long - short

    assert cost("Linear(4)") > 1.5 * cost("relu")


@pytest.mark.parametrize(
    ("head", "line", "count"),
    [
        ("model M(x: f32[B, 4])", "param w  # " + "z" * 280, 3300),
        ("model M(x: f32[B, 4])", "input x:" + " " * 4000, 200),
        ("config", "a: 1" + " " * 4000 + ",x", 200),
        ("weights w", '"a" -> "b",', 9000),
    ],
    ids=["parameters", "inputs", "entries", "rules"],
)
def test_many_mistakes_of_one_kind(head: str, line: str, count: int) -> None:
    """What a message looks at in the text is bounded, and mistakes that are not listed are only counted."""
    refused(f"{head} {{\n" + f"  {line}\n" * count + "}", trace=False)


def test_a_check_that_ends_early_says_that_there_may_be_more() -> None:
    lines = "\n  ".join(f"y{n} = unknown{n}" for n in range(300))
    found = refused(model(f"{lines}\n  return x"), trace=False)
    assert found[-1].message == "at least 151 more errors are not listed"


def test_mistakes_that_are_not_listed_are_counted() -> None:
    found = refused(model("  int width = 32\n" * 1000), trace=False)
    assert found[-1].code == "E0608" and found[-1].message == "950 more errors are not listed"


@pytest.mark.parametrize(
    "call",
    [
        "conv(x, w, stride=2**31)",
        "conv(x, w, dilation=[1, 2**62])",
        "conv(x, w, pad=[0, 0, 0, 2**31])",
        "conv_transpose(x, w, stride=2**31)",
        "max_pool(x, 2, stride=2**40)",
        "avg_pool(x, 2, pad=2**31)",
        'max_pool(x, 2, pad="same", dilation=2**31)',
    ],
)
def test_steps_beyond_any_axis(call: str) -> None:
    text = f"model M(x: f32[B, 3, 8, 8], w: f32[3, 3, 2, 2]) {{ return {call} }}"
    (wrong,) = refused(text)
    assert wrong.code == "E0404" and "of at most 2,147,483,647, but got" in wrong.message


@pytest.mark.parametrize(
    "call",
    [
        "elu(x, alpha=1e308)",
        "leaky_relu(x, slope=-1e308)",
        "l2_normalize(x, over=[-1], eps=1e308)",
        "rms_norm(cast(x, f16), eps=1e308)",
        "hard_sigmoid(x, beta=1e39)",
    ],
)
def test_floats_beyond_the_element_type(call: str) -> None:
    text = f"model M(x: f32[B, 3]) {{ return {call} }}"
    (wrong,) = refused(text)
    assert wrong.code == "E0404" and "cannot represent" in wrong.message
    accepted(text.replace("f32[", "f64[").replace("1e39", "1e300").replace("cast(x, f16)", "x"))


@pytest.mark.parametrize(
    ("dtype", "largest"), [("f16", "65504"), ("bf16", "3.38953e+38"), ("f32", "3.40282e+38")]
)
def test_the_limits_in_a_message_are_those_of_the_type(dtype: str, largest: str) -> None:
    (wrong,) = refused(f"model M(x: {dtype}[B, 3]) {{ return elu(x, alpha=1e308) }}")
    assert wrong.message == f"`elu` cannot represent 1e+308 in {dtype}"
    assert wrong.help == f"use a value from -{largest} to {largest}"
