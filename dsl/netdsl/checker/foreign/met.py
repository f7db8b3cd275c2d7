"""Recognising a call of another framework, reporting what it is here, and going on with that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from netdsl import syntax as s
from netdsl.arrivals.losses import loss_call
from netdsl.arrivals.table import FUNCTIONS
from netdsl.arrivals.translate import Saying, text_of
from netdsl.arrivals.words import FRAMEWORKS, FUNCTIONAL
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Tensor
from netdsl.checker.foreign.einops import check_pattern
from netdsl.checker.foreign.names import NOTHING, callee_of
from netdsl.checker.foreign.reports import report, report_call
from netdsl.checker.foreign.sayings import layer_of, said_here, sequence
from netdsl.checker.foreign.settings import CELLS, applied_with_mask, corrected
from netdsl.edits import Edit, replacement
from netdsl.parsing.suggested import chain_of
from netdsl.source import Span


def met(scope: Scope, expr: s.Expr, piped: list[Tensor]) -> s.Chain | None:
    """Our stages for an expression of another framework, which is reported; None for one of ours."""
    if scope.module.is_std:
        return None
    if isinstance(expr, s.Call) and isinstance(expr.function, s.Call):
        masked = _applied_with_mask(scope, expr)
        return masked or _loss(scope, expr) or _applied(scope, expr) or _applied_ours(scope, expr)
    loss = _loss(scope, expr) if isinstance(expr, s.Call) and not piped else None
    if loss is not None:
        return loss
    name, is_foreign = callee_of(scope, expr)
    if name is None:
        return None
    arguments = expr.arguments if isinstance(expr, s.Call) else ()
    if name in ("rearrange", "Rearrange") and isinstance(expr, s.Call):
        check_pattern(scope, expr, piped)
    if is_foreign and name in _COMPARING and isinstance(expr, s.Call) and not piped:
        _report_comparison(scope, expr)
    if is_foreign and name in ("Sequential", "ModuleList") and not piped:
        _report_sequence(scope, expr, arguments)
    if is_foreign and name in FUNCTIONAL and not piped and len(arguments) > 1:
        return _functional(scope, expr, FUNCTIONAL[name], arguments)
    wrong = corrected(scope, name, arguments, piped) if not is_foreign else None
    if wrong is not None:
        right = _without_more(scope, wrong.said, piped, expr)
        report(scope, expr, wrong.message, right, wrong.at, "E0406")
        return chain_of(right.text, expr.span)
    said = layer_of(scope, name, arguments, piped) or said_here(scope, name, arguments, piped, is_foreign)
    if said is None:
        return None
    if isinstance(expr, s.Call) and not piped and said.text.isidentifier() and said.text[0].isupper():
        said = replace(said, text=f"{said.text}()")
    written = s.callee(expr).span if is_foreign else expr.span
    report_call(scope, expr, written, said, is_foreign)
    return chain_of(said.text, expr.span)


def _without_more(scope: Scope, said: Saying, piped: list[Tensor], expr: s.Expr) -> Saying:
    """A correction whose other arguments may be as in another framework too."""
    chain = chain_of(said.text, expr.span)
    core = chain.stages[0].core if chain is not None and len(chain.stages) == 1 else None
    call = core.call if isinstance(core, s.Apply) else None
    name, _ = callee_of(scope, call) if isinstance(call, s.Call) else (None, False)
    more = said_here(scope, name, call.arguments, piped, False) if name and isinstance(call, s.Call) else None
    if more is None:
        return said
    is_exact = said.is_exact and more.is_exact
    return replace(said, text=more.text, notes=(*said.notes, *more.notes), is_exact=is_exact)


_COMPARING = ("allclose", "isclose", "assert_close", "assert_allclose")


def _report_comparison(scope: Scope, expr: s.Call) -> None:
    """Raise E0201 for `assert torch.allclose(a, b)`, with the line of a `test` to write instead."""
    values = [a.value.span.text for a in expr.arguments if a.name is None]
    if len(values) < 2:
        return
    named = {a.name.text: a.value.span.text for a in expr.arguments if a.name is not None}
    text = f"expect {values[0]} ~ {values[1]} within {named.get('atol', named.get('rtol', '1e-4'))}"
    before = expr.span.source.text[: expr.span.start]
    start = expr.span.start - (len("assert ") if before.endswith("assert ") else 0)
    edits = (replacement(expr.span.source.span(start, expr.span.end), text, is_certain=False),)
    at = expr.function.span
    message = (
        f"`{at.text}` is not known here: it comes from {FRAMEWORKS.get(at.text.partition('.')[0], 'PyTorch')}"
    )
    help = f"a `test` compares values: write `{text}`"
    scope.fail("E0201", message, at, help=help, fixes=edits)


def _loss(scope: Scope, expr: s.Call) -> s.Chain | None:
    """`nn.CrossEntropyLoss()(logits, label)` and `CrossEntropyLoss(logits, label)`: the loss, applied."""
    inner = expr.function if isinstance(expr.function, s.Call) else expr
    name, is_foreign = callee_of(scope, inner)
    if name is None or not is_foreign or name in FUNCTIONS:
        return None
    options = inner.arguments if inner is not expr else ()
    said = loss_call(name, (*expr.arguments, *options), _is_label_first(scope, expr.arguments))
    if said is None:
        return None
    report_call(scope, expr, inner.function.span, said, is_foreign)
    return chain_of(said.text, expr.span)


def _is_label_first(scope: Scope, arguments: Sequence[s.Argument]) -> bool | None:
    """Whether the first of two tensors can only be the label of the second; None if that is not known."""
    values = [a.value for a in arguments if a.name is None]
    bound = [scope.names.get(v.text, NOTHING).value if isinstance(v, s.Name) else None for v in values]
    types = [b.type for b in bound if isinstance(b, Tensor)]
    if len(types) != 2 or types[0] == types[1]:
        return None
    return types[0].rank < types[1].rank or not types[0].dtype.is_float


def _applied(scope: Scope, expr: s.Call) -> s.Chain | None:
    """`Dense(10, activation="relu")(h)`: a layer that is two stages here, applied."""
    assert isinstance(expr.function, s.Call)
    inner = expr.function
    name, is_foreign = callee_of(scope, inner)
    if name is None or not is_foreign or len(expr.arguments) != 1:
        return None
    if name == "Sequential":
        _report_sequence(scope, inner, inner.arguments, expr)
    said = said_here(scope, name, inner.arguments, [], is_foreign)
    first, arrow, second = said.text.partition(" -> ") if said is not None else ("", "", "")
    if said is None or not arrow or not second.isidentifier():
        return None
    said = replace(said, text=f"{second}({first}({expr.arguments[0].span.text}))")
    report_call(scope, expr, inner.function.span, said, is_foreign)
    return chain_of(said.text, expr.span)


def _applied_ours(scope: Scope, expr: s.Call) -> s.Chain | None:
    """`Conv(16, 3, 2, padding=1)(x)`: our layer in their words, whose order depends on the input."""
    assert isinstance(expr.function, s.Call)
    inner = expr.function
    name, is_foreign = callee_of(scope, inner)
    inputs = [a.value for a in expr.arguments]
    bound = (
        scope.names.get(inputs[0].text, NOTHING).value
        if len(inputs) == 1 and isinstance(inputs[0], s.Name)
        else None
    )
    if name is None or is_foreign or name in CELLS or not isinstance(bound, Tensor):
        return None
    said = said_here(scope, name, inner.arguments, [bound], is_foreign)
    if said is None or " -> " in said.text:
        return None
    said = replace(said, text=f"{said.text}()" if said.text.isidentifier() else said.text)
    report_call(scope, inner, inner.span, said, is_foreign)
    return chain_of(f"{said.text}({expr.arguments[0].span.text})", expr.span)


def _applied_with_mask(scope: Scope, expr: s.Call) -> s.Chain | None:
    """`EncoderLayer(4, 32)(x, mask=causal)`: a layer of ours that makes the mask itself."""
    name, is_foreign = callee_of(scope, expr.function)
    wrong = applied_with_mask(scope, name, expr) if name is not None and not is_foreign else None
    if wrong is None:
        return None
    report(scope, expr, wrong.message, wrong.said, wrong.at, "E0406")
    return chain_of(wrong.said.text, expr.span)


def _functional(scope: Scope, expr: s.Expr, layer: str, arguments: Sequence[s.Argument]) -> s.Chain | None:
    """`tf.layers.dense(x, 128, activation=tf.nn.relu)`: a layer and its input in one call."""
    said = said_here(scope, layer, [replace(a, value=_word(a.value)) for a in arguments[1:]], [], True)
    if said is None:
        return None
    first, _, second = said.text.partition(" -> ")
    inner = f"{first}({text_of(arguments[0].value)})"
    said = replace(said, text=f"{second}({inner})" if second else inner)
    report_call(scope, expr, s.callee(expr).span, said, True)
    return chain_of(said.text, expr.span)


def _word(value: s.Expr) -> s.Expr:
    """`tf.nn.relu` as the name `relu`."""
    return s.Name(value.span, value.name.text) if isinstance(value, s.Attribute) else value


def _report_sequence(
    scope: Scope, expr: s.Expr, arguments: Sequence[s.Argument], applied: s.Call | None = None
) -> NoReturn:
    """Raise E0201 for `net = nn.Sequential(a, b)`, whose stages are written where they are applied."""
    said = sequence(scope, arguments)
    stages = said.text[2:-2] if said is not None else "a -> b"
    at = s.callee(expr).span
    help = f"write the stages where they are applied: `x -> {stages}`"
    source = FRAMEWORKS.get(at.text.partition(".")[0], "PyTorch")
    message = f"`{at.text}` is not known here: it comes from {source}"
    fixes: tuple[Edit, ...] = ()
    if applied is not None:
        text = f"{applied.arguments[0].span.text} -> {stages}"
        help, fixes = f"write `{text}`", (replacement(applied.span, text, is_certain=False),)
    elif said is not None and (use := _use_of(expr.span)) is not None:
        name, fixes = use.text, _where_applied(expr.span, use, stages)
        help = f"write `-> {stages}` for `-> {name}`, and remove the line"
    scope.fail("E0201", message, at, help=help, fixes=fixes)


def _use_of(value: Span) -> Span | None:
    """The one stage `-> net` of a name that a line gives a value: `net = nn.Sequential(..)`."""
    text = value.source.text
    line = text.rfind("\n", 0, value.start) + 1
    head = re.fullmatch(r"\s*(\w+)\s*=\s*", text[line : value.start])
    end = text.find("\n}", value.end)
    rest = text[value.end : end if end >= 0 else None]
    if head is None or len(re.findall(rf"\b{head[1]}\b", rest)) != 1:
        return None
    use = re.search(rf"->\s*({head[1]})\b(?!\s*[:(])", rest)
    return value.source.span(value.end + use.start(1), value.end + use.end(1)) if use is not None else None


def _where_applied(value: Span, use: Span, stages: str) -> tuple[Edit, ...]:
    """The line of a list of layers removed, and its stages in the place of its name."""
    text = value.source.text
    start, end = text.rfind("\n", 0, value.start) + 1, text.find("\n", value.end) + 1
    return (replacement(value.source.span(start, end), ""), replacement(use, stages))
