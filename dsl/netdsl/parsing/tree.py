"""The nodes of the syntax tree: one method per rule of the grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netdsl import syntax as s
from netdsl.diagnostics import Diagnostic, Label
from netdsl.dims import MAX_SIZE
from netdsl.edits import replacement
from netdsl.parsing.driver import Extent
from netdsl.parsing.layout import LANGUAGE, MAX_NESTING, span_of
from netdsl.parsing.token import Token
from netdsl.source import Source, Span

_ESCAPE = re.compile(r'\\(?:(?P<plain>["\\nt])|u(?P<code>(?![dD][89a-fA-F])[0-9a-fA-F]{4})|.)')
_PLAIN = {"n": "\n", "t": "\t"}


def _unescape(escape: re.Match[str]) -> str:
    if escape.lastgroup is None:
        return escape[0]
    plain = escape["plain"]
    return _PLAIN.get(plain, plain) if plain else chr(int(escape["code"], 16))


class TreeBuilder:
    """Builds the nodes of one item, bottom up. `findings` are the errors that the grammar does not see."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings: list[Diagnostic] = []

    def build(self, rule: str, extent: Extent, parts: Sequence[Any]) -> Any:
        """The node of a rule of the grammar."""
        return getattr(self, rule)(extent, parts)

    def _report(self, code: str, message: str, span: Span, help: str | None = None) -> None:
        self.findings.append(Diagnostic(code, message, (Label(span),), help))

    def _span(self, extent: Extent) -> Span:
        return Span(self.source, extent.start_pos, extent.end_pos)

    def _ident(self, token: Token | None) -> s.Ident | None:
        return None if token is None else self._name(token)

    def _name(self, token: Token) -> s.Ident:
        return s.Ident(span_of(self.source, token), str(token))

    def _string(self, token: Token) -> s.Text:
        span = span_of(self.source, token)
        for escape in _ESCAPE.finditer(token):
            if escape.lastgroup is None:
                at = Span(self.source, span.start + escape.start(), span.start + escape.end())
                help = 'the escapes are \\\\, \\", \\n, \\t and \\u followed by four hex digits'
                self._report("E0102", f"`{at.text}` is not an escape sequence", at, help)
        return s.Text(span, _ESCAPE.sub(_unescape, token[1:-1]))

    def _doc(self, extent: Extent) -> str:
        """The `##` lines directly above a node that comes first on its line."""
        text, at = self.source.text, extent.start_pos - 1
        while at >= 0 and text[at] in " \t\r":
            at -= 1
        if at >= 0 and text[at] != "\n":
            return ""
        number = self.source.position(extent.start_pos)[0]
        doc: list[str] = []
        while number > 1 and (line := self.source.line(number - 1).strip()).startswith("##"):
            doc.append(line[2:].strip())
            number -= 1
        return "\n".join(reversed(doc))

    # -- items ------------------------------------------------------------------------------------

    def header(self, extent: Extent, c: Sequence[Any]) -> s.Header:
        major, _, minor = str(c[1]).partition(".")
        if not (major.isdigit() and minor.isdigit()):
            at = span_of(self.source, c[1])
            self._report("E0112", f"`{c[1]}` is not a version of the language", at)
            return s.Header(self._span(extent), *LANGUAGE)
        return s.Header(self._span(extent), int(major), int(minor))

    def import_item(self, extent: Extent, c: Sequence[Any]) -> s.Import | s.BrokenItem:
        path = self._string(c[1])
        if self.findings:
            return s.BrokenItem(self._span(extent), "import", self._ident(c[-1]))
        return s.Import(self._span(extent), path, self._ident(c[-1]))

    def config(self, extent: Extent, c: Sequence[Any]) -> s.Config:
        return s.Config(self._span(extent), _nodes(c))

    def config_entry(self, extent: Extent, c: Sequence[Any]) -> s.ConfigEntry:
        return s.ConfigEntry(self._span(extent), self._name(c[0]), c[1], c[2], self._doc(extent))

    def block(self, extent: Extent, c: Sequence[Any]) -> s.Block:
        parens = [child for child in c if isinstance(child, Parens)]
        if len(parens) > 2:
            help = "blocks take static parameters first, then tensor inputs"
            self._report("E0113", "a block has at most two parameter lists", parens[2].span, help)
        outputs, body = c[-2], c[-1]
        statics, inputs = _split_parens(str(c[0]), parens[:2])
        if any(_is_tensor_type(param.type) for param in statics):
            statics, inputs = self._sorted_parameters(parens[:2])
        chain = body if isinstance(body, s.Chain) else None
        statements = () if chain else body
        return s.Block(
            self._span(extent),
            str(c[0]),
            self._name(c[1]),
            statics,
            inputs,
            outputs,
            statements,
            chain,
            self._doc(extent),
        )

    def _sorted_parameters(self, parens: Sequence[Parens]) -> tuple[tuple[s.Param, ...], tuple[s.Param, ...]]:
        """The static parameters and the tensor inputs of lists that mix them, which is reported."""
        params = [param for part in parens for param in part.params]
        inputs = tuple(param for param in params if _is_tensor_type(param.type))
        statics = tuple(param for param in params if param not in inputs)
        span = parens[0].span.to(parens[-1].span)
        text = "".join(
            f"({', '.join(param.span.text for param in part)})" for part in (statics, inputs) if part
        )
        message = f"`{inputs[0].name}` is a tensor, and tensors have the last parentheses to themselves"
        edits = (replacement(span, text),)
        found = Diagnostic("E0113", message, (Label(inputs[0].span),), f"write `{text}`", fixes=edits)
        self.findings.append(found)
        return statics, inputs

    cell = block
    model = block

    def params(self, extent: Extent, c: Sequence[Any]) -> Parens:
        return Parens(self._span(extent), tuple(p for p in c if p is not None))

    def param(self, extent: Extent, c: Sequence[Any]) -> s.Param:
        return s.Param(self._span(extent), self._name(c[0]), c[1], c[2], self._doc(extent))

    def outputs(self, extent: Extent, c: Sequence[Any]) -> tuple[s.Output, ...]:
        return _nodes(c)

    def output(self, extent: Extent, c: Sequence[Any]) -> s.Output:
        return s.Output(self._span(extent), self._ident(c[0]), c[1])

    def weights(self, extent: Extent, c: Sequence[Any]) -> s.Weights:
        return s.Weights(self._span(extent), self._name(c[1]), _nodes(c))

    def weight_rule(self, extent: Extent, c: Sequence[Any]) -> s.WeightRule:
        arrow = next(n for n, child in enumerate(c) if child.type == "FATARROW")
        theirs = tuple(map(self._string, c[:arrow:2]))
        ours, *modifiers = c[arrow + 1 :]
        target = self._string(ours) if ours.type == "STRING" else None
        words = tuple(map(self._name, modifiers))
        return s.WeightRule(self._span(extent), theirs, target, words)

    def train(self, extent: Extent, c: Sequence[Any]) -> s.Train:
        return s.Train(self._span(extent), self._ident(c[1]), _nodes(c))

    def train_input(self, extent: Extent, c: Sequence[Any]) -> s.TrainInput:
        return s.TrainInput(self._span(extent), self._name(c[1]), c[2])

    def metric(self, extent: Extent, c: Sequence[Any]) -> s.Metric:
        return s.Metric(self._span(extent), self._name(c[1]), c[2])

    def setting(self, extent: Extent, c: Sequence[Any]) -> s.Setting | s.Bind:
        span, names = self._span(extent), tuple(map(self._name, c[:-1]))
        return s.Setting(span, names[0], c[-1]) if len(names) == 1 else s.Bind(span, names, c[-1])

    def patterns(self, extent: Extent, c: Sequence[Any]) -> s.Patterns:
        word, *texts, value = c
        return s.Patterns(self._span(extent), self._name(word), tuple(map(self._string, texts)), value)

    def test(self, extent: Extent, c: Sequence[Any]) -> s.Test:
        return s.Test(self._span(extent), self._string(c[1]), c[2])

    # -- statements -------------------------------------------------------------------------------

    def body(self, extent: Extent, c: Sequence[Any]) -> tuple[s.Statement, ...]:
        return _nodes(c)

    def let(self, extent: Extent, c: Sequence[Any]) -> s.Let:
        return s.Let(self._span(extent), self._name(c[1]), c[2])

    def layer(self, extent: Extent, c: Sequence[Any]) -> s.Layer:
        return s.Layer(self._span(extent), self._name(c[1]), c[2])

    def declaration(self, extent: Extent, c: Sequence[Any]) -> s.Declaration:
        kind, name, type_, value, *when = c
        condition = when[-1] if when else None
        return s.Declaration(
            self._span(extent), str(kind), self._name(name), type_, value, condition, self._doc(extent)
        )

    def next(self, extent: Extent, c: Sequence[Any]) -> s.Next:
        return s.Next(self._span(extent), self._name(c[1]), c[2])

    def bind(self, extent: Extent, c: Sequence[Any]) -> s.Bind:
        return s.Bind(self._span(extent), tuple(map(self._name, c[:-1])), c[-1])

    def return_(self, extent: Extent, c: Sequence[Any]) -> s.Return:
        return s.Return(self._span(extent), tuple(c[1:]))

    def assertion(self, extent: Extent, c: Sequence[Any]) -> s.Assert:
        message = None if c[2] is None else self._string(c[2]).value
        return s.Assert(self._span(extent), c[1], message)

    def expect(self, extent: Extent, c: Sequence[Any]) -> s.Expect:
        value, rest = c[1], [child for child in c[2:] if child is not None]
        span = self._span(extent)
        if rest and isinstance(rest[0], Token) and rest[0].type == "IS":
            return s.Expect(span, value, rest[1], None, None, None)
        if not rest:
            return s.Expect(span, value, None, None, None, None)
        modifier = self._name(rest[1]) if len(rest) > 1 else None
        return s.Expect(span, value, None, rest[0], modifier, rest[2] if len(rest) > 2 else None)

    # -- pipelines --------------------------------------------------------------------------------

    def pipeline(self, extent: Extent, c: Sequence[Any]) -> s.Pipeline:
        source, *stages = _drop(c, "ARROW")
        return s.Pipeline(self._span(extent), source, tuple(stages))

    def chain(self, extent: Extent, c: Sequence[Any]) -> s.Chain:
        return s.Chain(self._span(extent), tuple(_drop(c, "ARROW")))

    def stage(self, extent: Extent, c: Sequence[Any]) -> s.Stage:
        label, core, repeat, *when = c
        if isinstance(core, s.Expr):
            core = s.Apply(core.span, core)
        return s.Stage(self._span(extent), self._ident(label), core, repeat, when[-1] if when else None)

    def choice(self, extent: Extent, c: Sequence[Any]) -> s.Choice:
        then, _, condition, _, otherwise = c
        return s.Choice(self._span(extent), then, condition, otherwise)

    def residual(self, extent: Extent, c: Sequence[Any]) -> s.Residual:
        groups = [child for child in c if isinstance(child, s.Group)]
        via = groups[1].body if len(groups) > 1 else None
        return s.Residual(self._span(extent), groups[0].body, via)

    def loop(self, extent: Extent, c: Sequence[Any]) -> s.Loop:
        _, variable, _, start, _, stop, group = c
        return s.Loop(self._span(extent), self._name(variable), start, stop, group.body)

    def scan(self, extent: Extent, c: Sequence[Any]) -> s.Scan:
        return s.Scan(self._span(extent), c[1], tuple(c[2:]))

    def modifier(self, extent: Extent, c: Sequence[Any]) -> s.Ident:
        return self._name(c[0])

    def fork(self, extent: Extent, c: Sequence[Any]) -> s.Fork:
        return s.Fork(self._span(extent), tuple(c))

    def rearrange(self, extent: Extent, c: Sequence[Any]) -> s.Rearrange:
        return s.Rearrange(self._span(extent), c[0], c[-1])

    def group(self, extent: Extent, c: Sequence[Any]) -> s.Group:
        return s.Group(self._span(extent), c[0])

    def repeat(self, extent: Extent, c: Sequence[Any]) -> s.Repeat:
        return s.Repeat(self._span(extent), c[0], self._ident(c[1]))

    # -- expressions ------------------------------------------------------------------------------

    def conditional(self, extent: Extent, c: Sequence[Any]) -> s.Conditional:
        then, _, condition, _, otherwise = c
        return s.Conditional(self._span(extent), then, condition, otherwise)

    def disjunction(self, extent: Extent, c: Sequence[Any]) -> s.Expr:
        return s.Logic(self._span(extent), "or", tuple(_drop(c, "OR")))

    def conjunction(self, extent: Extent, c: Sequence[Any]) -> s.Expr:
        return s.Logic(self._span(extent), "and", tuple(_drop(c, "AND")))

    def negation(self, extent: Extent, c: Sequence[Any]) -> s.Expr:
        return s.Not(self._span(extent), c[1])

    def _operation(self, extent: Extent, c: Sequence[Any]) -> s.Expr:
        first, *rest = (child for child in c if child is not None)
        if not rest:
            return first  # type: ignore[no-any-return]
        pairs = tuple((str(rest[i]), rest[i + 1]) for i in range(0, len(rest), 2))
        return s.Operation(self._span(extent), first, pairs)

    comparison = _operation
    sum = _operation
    term = _operation
    power = _operation

    def negative(self, extent: Extent, c: Sequence[Any]) -> s.Negative:
        return s.Negative(self._span(extent), c[-1])

    def postfix(self, extent: Extent, c: Sequence[Any]) -> s.Expr:
        value: s.Expr = c[0]
        if len(c) > MAX_NESTING:
            message = f"this calls or indexes a result more than {MAX_NESTING} times in a row"
            self._report("E0602", message, c[MAX_NESTING][1], "give a part of it a name with `let`")
            return s.Unknown(self._span(extent))
        for trailer in c[1:]:
            kind, span, content = trailer
            full = value.span.to(span)
            if kind == "call":
                value = s.Call(full, value, content)
            elif kind == "attribute":
                value = s.Attribute(full, value, content)
            else:
                value = s.Index(full, value, content)
        return value

    def arguments(self, extent: Extent, c: Sequence[Any]) -> tuple[str, Span, Any]:
        return "call", self._span(extent), _nodes(c)

    def argument(self, extent: Extent, c: Sequence[Any]) -> s.Argument:
        return s.Argument(self._span(extent), self._ident(c[0]), c[1], c[-1] if len(c) > 2 else None)

    def attribute(self, extent: Extent, c: Sequence[Any]) -> tuple[str, Span, Any]:
        return "attribute", self._span(extent), self._name(c[0])

    def index(self, extent: Extent, c: Sequence[Any]) -> tuple[str, Span, Any]:
        return "index", self._span(extent), _nodes(c)

    def name(self, extent: Extent, c: Sequence[Any]) -> s.Name:
        return s.Name(self._span(extent), str(c[0]))

    def number(self, extent: Extent, c: Sequence[Any]) -> s.Number | s.Unknown:
        text, span = str(c[0]).replace("_", ""), self._span(extent)
        if c[0].type == "FLOAT":
            return s.Number(span, float(text))
        if len(text) > 20 or int(text) > MAX_SIZE:
            help = f"the largest integer is {MAX_SIZE}"
            self._report("E0603", f"{text[:24]} does not fit in 64 bits", span, help)
            return s.Unknown(span)
        return s.Number(span, int(text))

    def string(self, extent: Extent, c: Sequence[Any]) -> s.Text:
        return self._string(c[0])

    def boolean(self, extent: Extent, c: Sequence[Any]) -> s.Boolean:
        return s.Boolean(self._span(extent), c[0].type == "TRUE")

    def none(self, extent: Extent, c: Sequence[Any]) -> s.NoneValue:
        return s.NoneValue(self._span(extent))

    def parenthesised(self, extent: Extent, c: Sequence[Any]) -> s.Expr:
        """The value itself, with the parentheses in its span."""
        value: s.Expr = c[0]
        return replace(value, span=self._span(extent))

    def list(self, extent: Extent, c: Sequence[Any]) -> s.ListExpr:
        return s.ListExpr(self._span(extent), _nodes(c))

    def star(self, extent: Extent, c: Sequence[Any]) -> s.Star:
        return s.Star(self._span(extent), c[0])

    def slice(self, extent: Extent, c: Sequence[Any]) -> s.Slice:
        return s.Slice(self._span(extent), *c)


class Parens(s.Node):
    """One parenthesised list of parameters, before it is known which kind they are."""

    def __init__(self, span: Span, params: tuple[s.Param, ...]) -> None:
        object.__setattr__(self, "span", span)
        object.__setattr__(self, "params", params)

    params: tuple[s.Param, ...]


def _split_parens(
    kind: str, parens: Sequence[Parens]
) -> tuple[tuple[s.Param, ...], tuple[s.Param, ...] | None]:
    """Static parameters and tensor inputs. A lone list is static, unless every type in it is a tensor's."""
    if len(parens) == 2:
        return parens[0].params, parens[1].params
    if not parens:
        return (), None
    params = parens[0].params
    if kind == "model" or (params and all(_is_tensor_type(p.type) for p in params)):
        return (), params
    return params, None


def _is_tensor_type(type_: s.Expr | None) -> bool:
    return isinstance(type_, (s.ListExpr, s.Index))


def _nodes(children: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(child for child in children if isinstance(child, s.Node))


def _drop(children: Sequence[Any], kind: str) -> list[Any]:
    return [c for c in children if not (isinstance(c, Token) and c.type == kind)]
