"""The parser: nothing is lost, every construct has its node, and mistakes are told together."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random

import pytest
from lark import Token as LarkToken
from lark import Tree, UnexpectedToken
from net_programs import ProgramWriter

from netdsl import syntax as s
from netdsl.diagnostics import NetError
from netdsl.formatter.code import walk
from netdsl.modules import read_source
from netdsl.parsing.driver import Extent, accepted, refused
from netdsl.parsing.layout import MAX_ITEM_TOKENS, MAX_NESTING, MAX_SOURCE_BYTES, lay_out
from netdsl.parsing.lexing import tokenize
from netdsl.parsing.parser import Syntax, parse
from netdsl.parsing.token import Token
from netdsl.parsing.tree import TreeBuilder
from netdsl.source import Source, Span
from netgrammar.compiling import compiled

NOWHERE = Span(Source("", ""), 0, 0)
"""Spans take no part in comparison, so expected nodes may have any."""


def parse_text(text: str) -> Syntax:
    return parse(Source("model.net", text))


def item(text: str) -> s.Item:
    return parse_text(f"net 1.0\n{text}").file.items[1]


def statement(text: str) -> s.Statement:
    test = item(f'test "t" {{ {text} }}')
    assert isinstance(test, s.Test)
    return test.body[0]


def expression(text: str) -> s.Expr:
    found = statement(f"y = {text}")
    assert isinstance(found, s.Bind)
    return found.value


def stage(text: str) -> s.Stage:
    found = expression(f"x -> {text}")
    assert isinstance(found, s.Pipeline) and len(found.stages) == 1
    return found.stages[0]


def errors(text: str) -> list[tuple[str, int]]:
    """The code and the line of each finding."""
    with pytest.raises(NetError) as caught:
        parse_text(text)
    return [(d.code, d.span.line if d.span else 0) for d in caught.value.diagnostics]


# Constructors without spans, so that expected trees stay readable.


def ident(text: str) -> s.Ident:
    return s.Ident(NOWHERE, text)


def name(text: str) -> s.Name:
    return s.Name(NOWHERE, text)


def number(value: int | float) -> s.Number:
    return s.Number(NOWHERE, value)


def text(value: str) -> s.Text:
    return s.Text(NOWHERE, value)


def listed(*elements: s.Expr) -> s.ListExpr:
    return s.ListExpr(NOWHERE, elements)


def names(letters: str) -> s.ListExpr:
    return listed(*map(name, letters))


def operation(first: s.Expr, *rest: tuple[str, s.Expr]) -> s.Operation:
    return s.Operation(NOWHERE, first, rest)


def call(function: str, *arguments: s.Expr, **named: s.Expr) -> s.Call:
    given = [s.Argument(NOWHERE, None, a) for a in arguments]
    given += [s.Argument(NOWHERE, ident(k), v) for k, v in named.items()]
    return s.Call(NOWHERE, name(function), tuple(given))


def apply(function: str) -> s.Stage:
    return s.Stage(NOWHERE, None, s.Apply(NOWHERE, name(function)), None, None)


def chain(*functions: str) -> s.Chain:
    return s.Chain(NOWHERE, tuple(map(apply, functions)))


def core(node: s.Core) -> s.Stage:
    return s.Stage(NOWHERE, None, node, None, None)


A, B, C = name("a"), name("b"), name("c")

# -- nothing is lost -----------------------------------------------------------------------------


def programs(count: int) -> list[str]:
    return [ProgramWriter(Random(seed)).program() for seed in range(count)]


def rebuilt(syntax: Syntax) -> str:
    """The source, from the tokens and the text between them."""
    parts, end = [], 0
    for token in syntax.tokens:
        between = syntax.source.text[end : token.start_pos]
        assert "\n" not in between and re.fullmatch(r"[ \t]*(#.*)?", between)
        parts += [between, str(token)]
        end = token.end_pos
    return "".join(parts) + syntax.source.text[end:]


def test_tokens_and_trivia_give_any_program_back() -> None:
    for program in programs(40):
        assert rebuilt(parse_text(program)) == program


def test_random_programs_meet_every_node() -> None:
    met = {type(node) for program in programs(80) for node in walk(parse_text(program).file)}
    every = {kind for kind in vars(s).values() if isinstance(kind, type) and issubclass(kind, s.Node)}
    assert every - met == {s.Node, s.Unknown, s.Broken, s.BrokenItem}


def test_crlf_gives_the_same_tree() -> None:
    program = (
        'net 1.0\nconfig {\n  a = 1  # one\n  b = "x"\n}\nblock F(c)(x: [B]) {\n  return x\n    -> relu\n}\n'
    )
    crlf = parse_text(program.replace("\n", "\r\n"))
    assert crlf.file == parse_text(program).file
    assert rebuilt(crlf) == crlf.source.text


def test_soft_line_ends_make_no_difference() -> None:
    spread = "y = x\n  -> a: f(\n 1\n,\n k\n=\n2)\n |\n\n g".replace("|", "->")
    assert statement(spread) == statement("y = x -> a: f(1, k=2) -> g")


# -- spans ---------------------------------------------------------------------------------------


def test_every_node_lies_within_its_parent() -> None:
    for program in programs(20):
        for node in walk(parse_text(program).file):
            for child in vars(node).values():
                for part in child if isinstance(child, tuple) else (child,):
                    if isinstance(part, s.Node):
                        assert node.span.start <= part.span.start <= part.span.end <= node.span.end


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (s.Block, "block F(w, k=3)(x: [B, 4*w]) -> [B] {\n  return x -> a: g(w)[0] * 3 shared\n}"),
        (s.Param, "w"),
        (s.Output, "[B]"),
        (s.Operation, "4*w"),
        (s.Return, "return x -> a: g(w)[0] * 3 shared"),
        (s.Pipeline, "x -> a: g(w)[0] * 3 shared"),
        (s.Stage, "a: g(w)[0] * 3 shared"),
        (s.Repeat, "* 3 shared"),
        (s.Index, "g(w)[0]"),
        (s.Call, "g(w)"),
    ],
)
def test_span(kind: type[s.Node], expected: str) -> None:
    block = item(
        "## doc\nblock F(w, k=3)(x: [B, 4*w]) -> [B] {\n  return x -> a: g(w)[0] * 3 shared\n}\n\n# end"
    )
    found = [node.span.text for node in walk(block) if isinstance(node, kind)]
    assert expected in found


def test_a_span_tells_its_place() -> None:
    span = item('import "a.net"').span
    assert str(span) == "model.net:2:1"


# -- expressions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a", A),
        ("c'", name("c'")),
        ("1_000", number(1000)),
        ("1e-5", number(1e-5)),
        ('"a\\n"', text("a\n")),
        ("true", s.Boolean(NOWHERE, True)),
        ("none", s.NoneValue(NOWHERE)),
        ("(a)", A),
        ("[a, 1,]", listed(A, number(1))),
        ("a + b - c", operation(A, ("+", B), ("-", C))),
        ("a + b * c", operation(A, ("+", operation(B, ("*", C))))),
        ("(a + b) * c", operation(operation(A, ("+", B)), ("*", C))),
        ("a // b % c", operation(A, ("//", B), ("%", C))),
        ("-a ** b", s.Negative(NOWHERE, operation(A, ("**", B)))),
        ("a ** -b", operation(A, ("**", s.Negative(NOWHERE, B)))),
        ("a @ b < c", operation(operation(A, ("@", B)), ("<", C))),
        ("not a == b", s.Not(NOWHERE, operation(A, ("==", B)))),
        ("a or b and c", s.Logic(NOWHERE, "or", (A, s.Logic(NOWHERE, "and", (B, C))))),
        ("a if b else c", s.Conditional(NOWHERE, A, B, C)),
        ("f(a, k=b)", call("f", A, k=B)),
        ("a.T", s.Attribute(NOWHERE, A, ident("T"))),
        ("a[0, :]", s.Index(NOWHERE, A, (number(0), s.Slice(NOWHERE, None, None, None)))),
        ("a[b:c:1]", s.Index(NOWHERE, A, (s.Slice(NOWHERE, B, C, number(1)),))),
        ("[*a]", listed(s.Star(NOWHERE, A))),
        ("(a -> b)", s.Pipeline(NOWHERE, A, (apply("b"),))),
    ],
)
def test_expression(code: str, expected: s.Expr) -> None:
    assert expression(code) == expected


def test_einsum_axes() -> None:
    found = expression("einsum(a[i] => [i])")
    value = s.Index(NOWHERE, A, (name("i"),))
    argument = s.Argument(NOWHERE, None, value, names("i"))
    assert found == s.Call(NOWHERE, name("einsum"), (argument,))


# -- stages --------------------------------------------------------------------------------------


def test_a_stage_with_everything() -> None:
    found = stage("a: f(1) * n shared when c")
    repeat = s.Repeat(NOWHERE, name("n"), ident("shared"))
    assert found == s.Stage(NOWHERE, ident("a"), s.Apply(NOWHERE, call("f", number(1))), repeat, C)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a if b else c", s.Choice(NOWHERE, A, B, C)),
        ("residual { a }", s.Residual(NOWHERE, chain("a"), None)),
        ("residual { a -> b } via { c }", s.Residual(NOWHERE, chain("a", "b"), chain("c"))),
        ("for i in 0..4 { a }", s.Loop(NOWHERE, ident("i"), number(0), number(4), chain("a"))),
        ("scan a reverse states", s.Scan(NOWHERE, A, (ident("reverse"), ident("states")))),
        ("( a | b -> c )", s.Fork(NOWHERE, (chain("a"), chain("b", "c")))),
        ("[a, b] => [b, a]", s.Rearrange(NOWHERE, names("ab"), names("ba"))),
        ("{ a -> b }", s.Group(NOWHERE, chain("a", "b"))),
    ],
)
def test_core(code: str, expected: s.Core) -> None:
    assert stage(code) == core(expected)


# -- statements ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("let a = b", s.Let(NOWHERE, ident("a"), B)),
        ("layer a = b", s.Layer(NOWHERE, ident("a"), B)),
        ("param a: [b]", s.Declaration(NOWHERE, "param", ident("a"), listed(B), None, None)),
        ("const a: [b] = c", s.Declaration(NOWHERE, "const", ident("a"), listed(B), C, None)),
        ("state a: [b] when c", s.Declaration(NOWHERE, "state", ident("a"), listed(B), None, C)),
        ("buffer a: [b] = c when c", s.Declaration(NOWHERE, "buffer", ident("a"), listed(B), C, C)),
        ("next a = b", s.Next(NOWHERE, ident("a"), B)),
        ("a, b = c", s.Bind(NOWHERE, (ident("a"), ident("b")), C)),
        ("state = b", s.Bind(NOWHERE, (ident("state"),), B)),
        ("return a, b", s.Return(NOWHERE, (A, B))),
        ("assert a", s.Assert(NOWHERE, A, None)),
        ('assert a, "why"', s.Assert(NOWHERE, A, "why")),
        ("expect a", s.Expect(NOWHERE, A, None, None, None, None)),
        ("expect a is [b]", s.Expect(NOWHERE, A, listed(B), None, None, None)),
        ("expect a ~ b", s.Expect(NOWHERE, A, None, B, None, None)),
        ("expect a ~ b within c", s.Expect(NOWHERE, A, None, B, ident("within"), C)),
    ],
)
def test_statement(code: str, expected: s.Statement) -> None:
    assert statement(code) == expected


# -- items ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('import "a.net"', s.Import(NOWHERE, text("a.net"), None)),
        ('import "a.net" as b', s.Import(NOWHERE, text("a.net"), ident("b"))),
        ("config {}", s.Config(NOWHERE, ())),
        (
            "config {\n a: int = 1\n assert b\n}",
            s.Config(
                NOWHERE,
                (s.ConfigEntry(NOWHERE, ident("a"), name("int"), number(1)), s.Assert(NOWHERE, B, None)),
            ),
        ),
        (
            'weights w {\n "a" => "b" transpose\n "c" => none\n "d" +\n "e" => "f"\n}',
            s.Weights(
                NOWHERE,
                ident("w"),
                (
                    s.WeightRule(NOWHERE, (text("a"),), text("b"), (ident("transpose"),)),
                    s.WeightRule(NOWHERE, (text("c"),), None, ()),
                    s.WeightRule(NOWHERE, (text("d"), text("e")), text("f"), ()),
                ),
            ),
        ),
        (
            'train {\n input a: i32[b]\n loss = a -> b\n metric c = b\n freeze "a", "b"\n}',
            s.Train(
                NOWHERE,
                None,
                (
                    s.TrainInput(NOWHERE, ident("a"), s.Index(NOWHERE, name("i32"), (B,))),
                    s.Setting(NOWHERE, ident("loss"), s.Pipeline(NOWHERE, A, (apply("b"),))),
                    s.Metric(NOWHERE, ident("c"), B),
                    s.Patterns(NOWHERE, ident("freeze"), (text("a"), text("b"))),
                ),
            ),
        ),
        ("train phase {}", s.Train(NOWHERE, ident("phase"), ())),
        ('test "t" { expect a }', s.Test(NOWHERE, text("t"), (statement("expect a"),))),
    ],
)
def test_item(code: str, expected: s.Item) -> None:
    assert item(code) == expected


def block(code: str) -> s.Block:
    found = item(code)
    assert isinstance(found, s.Block)
    return found


def test_block_with_everything() -> None:
    found = block("## Doc.\nblock F(a, k=3)(x: [b], y: [b] = x) -> (p: [b], q: f32[b]) {\n return x, y\n}")
    assert (found.kind, found.name, found.doc) == ("block", ident("F"), "Doc.")
    assert [(str(p.name), p.default) for p in found.statics] == [("a", None), ("k", number(3))]
    assert found.inputs == (
        s.Param(NOWHERE, ident("x"), listed(B), None),
        s.Param(NOWHERE, ident("y"), listed(B), name("x")),
    )
    f32 = s.Index(NOWHERE, name("f32"), (B,))
    assert found.outputs == (s.Output(NOWHERE, ident("p"), listed(B)), s.Output(NOWHERE, ident("q"), f32))
    assert found.body == (s.Return(NOWHERE, (name("x"), name("y"))),)
    assert found.chain is None


def test_short_block() -> None:
    found = block("block F(a) -> [b] = g -> h")
    assert (found.chain, found.body, found.inputs) == (chain("g", "h"), (), None)
    assert found.outputs == (s.Output(NOWHERE, None, listed(B)),)


@pytest.mark.parametrize(
    ("params", "statics", "inputs"),
    [
        ("", 0, None),
        ("()", 0, None),
        ("(a, b)", 2, None),
        ("(a: int)", 1, None),
        ("(x: [B])", 0, 1),
        ("()(x: [B])", 0, 1),
        ("(a)()", 1, 0),
    ],
)
def test_a_lone_list_of_tensors_is_inputs(params: str, statics: int, inputs: int | None) -> None:
    found = block(f"block F{params} {{}}")
    assert len(found.statics) == statics
    assert (None if found.inputs is None else len(found.inputs)) == inputs


def test_a_model_takes_inputs_even_untyped() -> None:
    found = block("model M(x) {}")
    assert (found.kind, len(found.statics), len(found.inputs or ())) == ("model", 0, 1)


def test_blocks_by_kind() -> None:
    file = parse_text("net 1.0\nblock F {}\ncell G {}\nmodel H() {}\nblock I {}").file
    assert [str(found.name) for found in file.of("block")] == ["F", "I"]


@pytest.mark.parametrize("word", ["block", "config", "test", "let", "param", "return", "next", "input"])
def test_words_of_statements_are_names_elsewhere(word: str) -> None:
    labelled = s.Stage(NOWHERE, ident(word), s.Apply(NOWHERE, name("g")), None, None)
    found = expression(f"f({word}, {word}={word}) -> {word}: g")
    assert found == s.Pipeline(NOWHERE, call("f", name(word), **{word: name(word)}), (labelled,))


# -- mistakes ------------------------------------------------------------------------------------


def test_each_broken_item_is_reported_once() -> None:
    found = errors(
        "net 1.0\n"
        "block A(x: [B]) {\n  y = (x\n}\n"
        "block B(x: [B]) {\n  return x -> Linear(3\n    -> relu\n}\n"
        "config {\n  a == 3\n}\n"
        "block C(x: [B]) { return x }\n"
        "modle M(x) {}\n"
        "train {\n  loss = \n}\n"
    )
    assert found == [("E0104", 3), ("E0109", 7), ("E0107", 10), ("E0105", 13), ("E0107", 16)]


def test_bad_characters_are_reported_together() -> None:
    assert errors('net 1.0\nconfig {\n  a = 3;\n  b = 1 & 2\n  c = "open\n}\n') == [
        ("E0101", 3),
        ("E0101", 4),
        ("E0102", 5),
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", [("E0110", 1)]),
        ("config {}", [("E0110", 1)]),
        ("net 1.0\nnet 1.0", [("E0111", 2)]),
        ("net 2.0", [("E0112", 1)]),
        ("net 1.0\nconfig {", [("E0104", 2)]),
        ("net 1.0\n}", [("E0103", 2)]),
        ("net 1.0\nconfig { for = 1 }", [("E0106", 2)]),
        ("net 1.0\nconfig {\n  a = 1 +\n}", [("E0107", 4)]),
        ("net 1.0\nconfig {\n  a\n  b = 1\n}", [("E0108", 3)]),
    ],
)
def test_mistake(code: str, expected: list[tuple[str, int]]) -> None:
    assert errors(code) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("net 1.5e3", [("E0112", 1)]),
        ("net 1.0\nblock F()()() {}", [("E0113", 2)]),
        ("net 1.0\nconfig { a = 99999999999999999999 }", [("E0603", 2)]),
        ('net 1.0\nimport "\\x"', [("E0102", 2)]),
    ],
)
def test_mistake_that_the_tree_builder_finds(code: str, expected: list[tuple[str, int]]) -> None:
    assert errors(code) == expected


# -- limits --------------------------------------------------------------------------------------


def test_a_source_may_be_as_large_as_the_limit() -> None:
    largest = "net 1.0\n#" + "x" * (MAX_SOURCE_BYTES - 9)
    assert len(parse_text(largest).file.items) == 1
    assert errors(largest + "x") == [("E0601", 1)]


def test_the_limit_counts_bytes() -> None:
    assert errors("net 1.0\n#" + "é" * (MAX_SOURCE_BYTES // 2)) == [("E0601", 1)]


@pytest.mark.parametrize(
    ("opener", "closer", "brackets"),
    [
        ("(", ")", 1),
        ("[", "]", 1),
        ("f(", ")", 1),
        ("f(a, k=b[", "])", 2),
        ("(x -> residual { a -> f(", ") })", 3),
        ("(x -> ( a: f | f(", ") ))", 3),
        ("(x -> for i in 0..4 { f(", ") })", 3),
    ],
)
def test_brackets_may_nest_as_deep_as_the_limit(opener: str, closer: str, brackets: int) -> None:
    def nested(times: int) -> str:
        return f'net 1.0\ntest "t" {{\n y = {opener * times}1{closer * times}\n}}'

    within = (MAX_NESTING - 1) // brackets
    parse_text(nested(within))
    assert errors(nested(within + 1)) == [("E0602", 3)]
    assert errors(nested(5_000)) == [("E0602", 3)]


def test_choices_may_nest_as_deep_as_the_limit() -> None:
    parse_text(f"net 1.0\nconfig {{ a = {'1 if b else ' * MAX_NESTING}2 }}")
    assert errors(f"net 1.0\nconfig {{ a = {'1 if b else ' * (MAX_NESTING + 1)}2 }}") == [("E0602", 2)]


def test_an_item_may_have_only_so_many_tokens() -> None:
    code = f"net 1.0\nconfig {{ a = [{'1,' * (MAX_ITEM_TOKENS // 2)}] }}"
    assert errors(code) == [("E0604", 2)]


def test_tokens_know_their_offsets() -> None:
    source = Source("model.net", "net 1.0\r\n# c\r\nconfig {}")
    found = [(str(token), token.start_pos) for token in tokenize(source)[0]]
    assert found == [("net", 0), ("1.0", 4), ("\r\n", 7), ("\n", 13), ("config", 14), ("{", 21), ("}", 22)]


# -- the driver ----------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
FILES = sorted(
    p for folder in ("examples", "dsl/netdsl/std", "tests/cases/valid") for p in (ROOT / folder).glob("*.net")
)


LARK = cache(compiled)
"""Lark's own parser."""


def larks(token: Token) -> LarkToken:
    return LarkToken(token.type, str(token), token.start_pos, end_pos=token.end_pos)


def with_larks_parser(source: Source) -> list[object]:
    """The items as they are built from the trees of Lark's own parser."""
    builder = TreeBuilder(source)
    by_place: dict[int | None, Token] = {}

    def built(tree: object) -> object:
        if isinstance(tree, LarkToken):
            return by_place[tree.start_pos]
        if not isinstance(tree, Tree):
            return tree
        parts = [built(child) for child in tree.children]
        return builder.build(str(tree.data), Extent(tree.meta.start_pos, tree.meta.end_pos), parts)

    items = []
    for part in lay_out(source, tokenize(source)[0]):
        by_place.update({token.start_pos: token for token in part.tokens})
        interactive = LARK().parse_interactive(start="item")
        for token in part.tokens:
            interactive.feed_token(larks(token))
        items.append(built(interactive.feed_eof(larks(part.tokens[-1]))))
    return items


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_driver_builds_what_larks_parser_builds(path: Path) -> None:
    """Every node, and where each is in the text."""
    source = read_source(path)
    ours, theirs = parse(source).file.items, with_larks_parser(source)
    assert list(ours) == theirs
    for our, their in zip(ours, theirs, strict=True):
        assert isinstance(their, s.Node)
        assert [node.span for node in walk(our)] == [node.span for node in walk(their)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_tokens_are_those_of_larks_lexer(path: Path) -> None:
    source = read_source(path)
    ours, theirs = tokenize(source)[0], list(LARK().lex(source.text))
    assert [(t, t.type, t.start_pos, t.end_pos, t.line, t.column) for t in ours] == [
        (str(t), t.type, t.start_pos, t.end_pos, t.line, t.column) for t in theirs
    ]


@pytest.mark.parametrize("path", FILES[::4], ids=lambda path: path.stem)
def test_what_may_follow_is_what_lark_says(path: Path) -> None:
    """After every beginning of every item."""
    source = read_source(path)
    for part in lay_out(source, tokenize(source)[0]):
        interactive = LARK().parse_interactive(start="item")
        for count, token in enumerate(part.tokens):
            assert accepted(part.tokens[:count]) == interactive.accepts()
            interactive.feed_token(larks(token))


@pytest.mark.parametrize("text", ["model M(x: f32[B]) { return x -> }", "block B(x) { y = }", "net", ""])
def test_the_refused_token_is_the_one_lark_refuses(text: str) -> None:
    source = Source("m.net", text)
    for part in lay_out(source, tokenize(source)[0]):
        interactive = LARK().parse_interactive(start="item")
        expected: int | None = 0
        try:
            for index, token in enumerate(part.tokens):
                expected = index
                interactive.feed_token(larks(token))
            expected = len(part.tokens)
            interactive.feed_eof(larks(part.tokens[-1]))
            expected = None
        except UnexpectedToken:
            pass
        assert refused(part.tokens) == expected
