"""Findings in a body: their place, the names of the tensors involved, and the calls that led there.

Nothing inside the standard library is shown to a user: a finding there is shown at the user's call of
the standard block, with what that call gave it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from netdsl import syntax as s
from netdsl.checker.context.causes import Cause, Refused, Where
from netdsl.checker.context.checker import Checker
from netdsl.checker.context.values import Binding, Tensor
from netdsl.diagnostics import Diagnostic, Label, NetError
from netdsl.dims import Dim
from netdsl.edits import Edit
from netdsl.immutable import immutable
from netdsl.modules import Module
from netdsl.ops.contract.base import Op, OpError
from netdsl.source import Span

_OF_VALUES = ("E0404", "E0405", "E0409")
"""Codes, beside those of shapes, for which it matters with what a block was called."""


@immutable
class CallSite:
    """A call on the way to the body being built; `inputs` describes its inputs, for a message."""

    block: str
    span: Span
    from_std: bool
    inputs: str = ""
    names: Mapping[str, Binding] = field(default_factory=dict, compare=False, repr=False)


@dataclass
class Site:
    """Where a finding is: the body, the calls on the way to it, and the names it has bound."""

    checker: Checker
    module: Module
    block: s.Block | None = None
    path: str = ""
    calls: tuple[CallSite, ...] = ()
    names: dict[str, Binding] = field(default_factory=dict)
    is_open: bool = False
    """Whether names may mean something that cannot be read, so that an unknown one need not be wrong."""
    offered: tuple[str, ...] = ()
    """Names that an unknown one is compared with before all others."""

    def fail(
        self,
        code: str,
        message: str,
        span: Span,
        text: str = "",
        *,
        also: Sequence[Label] = (),
        help: str | None = None,
        fixes: Sequence[Edit] = (),
        cause: Cause | None = None,
    ) -> NoReturn:
        """Raise a `NetError` here. Inside a standard block the place shown is the user's call of it."""
        found = diagnostic(self, code, message, span, text, also=also, help=help, fixes=fixes)
        raise NetError(replace(found, cause=cause))

    def where(self, span: Span, callee: s.Block | None = None) -> Where:
        """This body as the place of a cause; in a standard block, the user's call of it."""
        root, call = self.checker.module, user_call(self)
        if call and self.module.is_std:
            direct = self.calls[-1] is call
            block, called = (self.block, callee) if direct else (None, None)
            return Where(root, self.module, block, dict(call.names), call.span, called, dict(self.names))
        return Where(root, self.module, self.block, dict(self.names), span, callee)


def in_std(span: Span) -> bool:
    return span.source.name.startswith("std/")


def user_call(site: Site) -> CallSite | None:
    """The innermost call that the user wrote."""
    return next((c for c in reversed(site.calls) if not c.from_std), None)


def visible(site: Site, span: Span) -> Span:
    """The span; or, for one in the standard library, that of the user's call."""
    call = user_call(site)
    return call.span if call and in_std(span) else span


def diagnostic(
    site: Site,
    code: str,
    message: str,
    span: Span,
    text: str = "",
    *,
    also: Sequence[Label] = (),
    help: str | None = None,
    path: str | None = None,
    fixes: Sequence[Edit] = (),
) -> Diagnostic:
    """A finding in a body, shown where the user can fix it; `fixes` in the standard library are left out."""
    call = user_call(site)
    labels = [label for label in also if not in_std(label.span)]
    shown_path = site.path
    if call and site.module.is_std:
        if not text and not labels:
            text = call.inputs
        span = _static_argument(site, span) or call.span
        if site.calls[-1] is call:
            shown_path = outer_path(site)
    elif call and call.span == span:
        text = text or call.inputs
        shown_path = outer_path(site)
    elif call and (code.startswith("E03") or code in _OF_VALUES):
        labels.append(Label(call.span, f"called here, where {call.inputs}" if call.inputs else "called here"))
    labels = _without_repeats(Label(span, text), labels)
    edits = tuple(edit for edit in fixes if not in_std(edit.span))
    return Diagnostic(code, message, tuple(labels), help, shown_path if path is None else path, fixes=edits)


def outer_path(site: Site) -> str:
    """The label path around the block: `head` for `head.linear`, but `encoder.0` for itself."""
    outer, _, last = site.path.rpartition(".")
    return site.path if last.isdigit() else outer


def _static_argument(site: Site, span: Span) -> Span | None:
    """Where the user gave the static argument that a standard block hands on under its name."""
    bound = site.names.get(span.text) if in_std(span) else None
    return bound.span if bound and bound.kind == "static" and not in_std(bound.span) else None


def _without_repeats(first: Label, others: Sequence[Label]) -> list[Label]:
    """The labels without those at the place of the first, whose text it takes where it has none."""
    text = first.text or next((o.text for o in others if o.span == first.span), "")
    return [Label(first.span, text), *(o for o in others if o.span != first.span)]


# -- where values come from ---------------------------------------------------------------------------


def origins(site: Site, name: str) -> list[Label]:
    """Where a name of the body got its value: the `let`, with its parts, or the argument."""
    bound = site.names.get(name)
    if bound is None or isinstance(bound.value, Tensor):
        return []
    let = next((x for x in _lets(site) if x.name.text == name and x.name.span == bound.span), None)
    if let is None:
        return set_here(site, bound.span, f"{name} is {bound.value}")
    parts = [label for n in s.names_in(let.value) for label in origins(site, n.text)]
    return [Label(let.name.span, f"{name} = {worked_out(site, let.value)}"), *parts]


def names_behind(site: Site, name: str) -> list[tuple[int, Span]]:
    """The static integers that a name of the body stands for or is computed from, and where each is set."""
    bound = site.names.get(name)
    if bound is None:
        return []
    let = next((x for x in _lets(site) if x.name.text == name and x.name.span == bound.span), None)
    if let is not None:
        return [pair for n in s.names_in(let.value) for pair in names_behind(site, n.text)]
    value = bound.value
    if isinstance(value, bool) or not isinstance(value, int) or bound.kind not in ("static", "config"):
        return []
    return [(value, in_users_text(site, bound.span))]


def in_users_text(site: Site, at: Span) -> Span:
    """The place of a static argument that standard blocks hand on under its name, in the user's text."""
    for call in reversed(site.calls):
        bound = call.names.get(at.text)
        if not in_std(at) or bound is None:
            break
        at = bound.span
    return at


def _lets(site: Site) -> list[s.Let]:
    return [x for x in site.block.body if isinstance(x, s.Let)] if site.block else []


def worked_out(site: Site, expr: s.Expr) -> str:
    """An expression with the values of its names, and its value: `300 // 8 = 37`."""
    text: list[str] = []
    end = expr.span.start
    for name in s.names_in(expr):
        bound = site.names.get(name.text)
        known = bound is not None and not isinstance(bound.value, Tensor)
        value = str(bound.value) if bound is not None and known else name.text
        text += [name.span.source.text[end : name.span.start], value]
        end = name.span.end
    shown = "".join([*text, expr.span.source.text[end : expr.span.end]])
    let = next((x for x in _lets(site) if x.value is expr), None)
    result = site.names[let.name.text].value if let is not None and let.name.text in site.names else None
    return f"{shown} = {result}" if result is not None and str(result) != shown else shown


def set_here(site: Site, at: Span, text: str) -> list[Label]:
    """A label at the place that set a value, and one at the config entry that it names, if it names one."""
    labels = [Label(at, text)]
    root = site.checker.module
    entry = next((e for e in root.config if e.name.text == at.text and at.source is root.source), None)
    if entry is not None and entry.name.span != at:
        value = site.checker.config[root].get(entry.name.text)
        default = entry.value.span.text
        shown = f"{entry.name} is {value} here"
        if isinstance(value, (int, float)) and str(value) != default and isinstance(entry.value, s.Number):
            shown = f"set to {value} from outside" if value != entry.value.value else shown
        labels.append(Label(entry.name.span, shown))
    return labels


# -- operators -----------------------------------------------------------------------------------


def title(site: Site, op: str) -> str:
    """How a message names an operator: inside a standard block, by the block."""
    if not site.module.is_std or site.block is None:
        return f"`{op}`"
    block = site.block.name.text
    same = op.replace("_", "") == block.lower()
    direct = bool(site.calls) and not site.calls[-1].from_std
    return f"`{block}`" if same or direct else f"`{op}` inside `{block}`"


def op_failed(
    site: Site,
    op: Op,
    inputs: Sequence[Tensor | None],
    wrong: OpError,
    *,
    span: Span,
    places: Mapping[str, Span],
    shown: str,
) -> Diagnostic:
    """An error of an operator, with the places that produced its inputs."""
    slots = slot_names(op, len(inputs))
    given = {slot: tensor for slot, tensor in zip(slots, inputs, strict=True) if tensor is not None}
    labels: list[Label] = []
    for slot, axis in wrong.at:
        tensor = given.get(slot)
        if tensor is None:
            continue
        origin = tensor.type.shape[axis].origin if axis is not None and axis < tensor.type.rank else None
        if origin is not None and axis is not None:
            labels += set_here(site, origin, f"{tensor.type.shape[axis]} is set here")
        if axis is None and wrong.code == "E0302":
            labels += _set_sizes(site, tensor)
        labels.append(Label(tensor.span, f"this is {tensor.type}"))
    words = {slot: _called(site, slot, tensor) for slot, tensor in given.items()}
    message = f"{title(site, shown)} {_renamed(wrong.message, words)}"
    at = places.get(wrong.attribute or "", span)
    help = _renamed(wrong.help, words) if wrong.help else None
    attribute = None if at is span else _static_argument(site, at) or at
    cause = Refused(site.where(span), op, given, wrong, attribute)
    return replace(diagnostic(site, wrong.code, message, at, also=labels, help=help), cause=cause)


def _set_sizes(site: Site, tensor: Tensor) -> list[Label]:
    """Where each fixed size of a tensor was set; several sizes of one place together."""
    places: dict[Span, list[str]] = {}
    for size in tensor.type.shape:
        if size.origin is not None and size.is_fixed and size != 1 and size.origin != tensor.span:
            places.setdefault(size.origin, []).append(str(size))
    labels: list[Label] = []
    for at, found in places.items():
        values = list(dict.fromkeys(found))
        verb = "are" if len(values) > 1 else "is"
        labels += set_here(site, at, f"{' and '.join(values)} {verb} set here")
    return labels


def slot_names(op: Op | type[Op], count: int) -> list[str]:
    """The names of `count` inputs of an operator; a variadic one is numbered."""
    names = [name.rstrip("?") for name in op.inputs]
    if names and names[-1].startswith("*"):
        stem = names.pop()[1:]
        names += [f"{stem}[{n}]" for n in range(count - len(names))]
    return names


def _called(site: Site, slot: str, tensor: Tensor) -> str:
    """The user's name for the tensor in a slot: its name in the body, if it has one."""
    for name, binding in site.names.items():
        if isinstance(binding.value, Tensor) and binding.value.value == tensor.value:
            return f"`{name}`"
    return {"x": "its input", "a": "the left side", "b": "the right side"}.get(slot, f"`{slot}`")


def _renamed(message: str, words: Mapping[str, str]) -> str:
    return re.sub(r"`([^`]*)`", lambda m: words.get(m[1], m[0]), message)


# -- free sizes ----------------------------------------------------------------------------------


def free_size(
    site: Site,
    size: Dim,
    message: str,
    span: Span,
    *,
    text: str = "",
    help: str | None = None,
    path: str | None = None,
) -> Diagnostic:
    """E0301: a size must be fixed, and symbols in it are free."""
    known = site.checker.symbol_origins
    origins = [(name, known[name]) for name in sorted(size.symbols) if name in known]
    also = [Label(origin, f"{name} is left free here") for name, origin in origins]
    names = " and ".join(name for name, _ in origins)
    if origins:
        message += f" where {names} {'are' if len(origins) > 1 else 'is'} still free"
    given = f"give {names or 'it'} a size" + (f", or {help}" if help else " in the model's inputs")
    return diagnostic(site, "E0301", message, span, text, also=also, help=given, path=path)


def needs_fixed_axis(site: Site, size: Dim, parameter: str, span: Span) -> Diagnostic:
    """E0301 for a parameter whose shape follows an axis of an input that is left free."""
    block = site.block.name.text if site.block else "this"
    outer = outer_path(site)
    inside = f" inside `{outer}`" if outer else ""
    what = _axis_of(site, size) or f"size for `{parameter}`"
    message = f"`{block}`{inside} needs a fixed {what}, but got `{size}`"
    them = "them" if len(size.symbols) > 1 else "it"
    help = f"reduce over {them} first (`global_avg_pool`)"
    call = user_call(site)
    text = call.inputs + " here" if call and site.module.is_std and call.inputs else ""
    return free_size(site, size, message, span, text=text, help=help, path="")


def _axis_of(site: Site, size: Dim) -> str | None:
    """Which axis of an input has the size: `last axis`, `axis 1 of `kv``."""
    inputs = [(n, b.value) for n, b in site.names.items() if b.kind == "input"]
    tensors = [(n, v) for n, v in inputs if isinstance(v, Tensor)]
    for name, tensor in tensors:
        for axis, found in reversed(list(enumerate(tensor.type.shape))):
            if found == size:
                which = "last axis" if axis == tensor.type.rank - 1 else f"axis {axis}"
                return which if len(tensors) == 1 else f"{which} of `{name}`"
    return None
