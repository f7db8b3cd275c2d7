"""Ways out for statements that bind names: as many as there are values, and each once."""

from __future__ import annotations

from netdsl import syntax as s
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.scope import Scope
from netdsl.source import Span


def another_name(scope: Scope, name: s.Ident) -> Edited | None:
    """Ways out for a name that the body has already."""
    old = scope.names.get(name.text)
    if old is None:
        return None
    return _next_value(scope, name) if old.kind == "state" else numbered(scope, name)


def _next_value(scope: Scope, name: s.Ident) -> Edited | None:
    """`next h = ...` for a state, which is `h'` from there on."""
    body = scope.block.body if scope.block is not None else ()
    at = next((n for n, x in enumerate(body) if name.span in [b.span for b in s.bound_names(x)]), None)
    if at is None:
        return None
    start = name.span.source.span(name.span.start, name.span.start)
    later = [n.span for x in body[at + 1 :] for n in s.names_in(x) if n.text == name.text]
    help = f"write `next {name} = ...`: the new value of the state is `{name}'` from there on"
    return Edited([(help, [(start, "next "), *((span, f"{name}'") for span in later)])])


def numbered(scope: Scope, name: s.Ident) -> Edited | None:
    """Names of their own for values that a body binds to one name in turn: `x`, `x2`, `x3`."""
    if scope.block is None or not scope.block.body:
        return None  # the lines of a `test` or a `train`
    body = scope.block.body
    taken = {n.text for n in s.names_in(body)} | {
        n.text for statement in body for n in s.bound_names(statement)
    }
    replacements: list[tuple[Span, str]] = []
    current, count, is_bound = "", 1, scope.names[name.text].span.start < min(x.span.start for x in body)
    for statement in body:
        if current:
            replacements += [(n.span, current) for n in s.names_in(statement) if n.text == name.text]
        for bound in s.bound_names(statement):
            if bound.text == name.text and is_bound:
                count += 1
                current = f"{name.text}{count}"
                replacements.append((bound.span, current))
            is_bound = is_bound or bound.text == name.text
    names = [text for _, text in replacements]
    if not names or set(names) & taken:
        return None
    listed = " and ".join(f"`{text}`" for text in dict.fromkeys(names))
    later = "the later one" if len(set(names)) == 1 else "the later ones"
    return Edited([(f"a name has one value: call {later} {listed}", replacements)])


def as_many(statement: s.Bind, names: Span, count: int) -> list[tuple[str, list[tuple[Span, str]]]]:
    """As many names as values; or as many values, where a scan can return its states as well."""
    changes = []
    last = statement.value.stages[-1].core if isinstance(statement.value, s.Pipeline) else None
    if isinstance(last, s.Scan) and count < len(statement.names) and not last.modifiers:
        end = last.span.source.span(last.span.end, last.span.end)
        text = f"`{last.span.text} states`"
        changes.append((f"write {text}, which returns the last states after the output", [(end, " states")]))
    changes += _as_many_parts(statement) if count < len(statement.names) else []
    listed = [name.text for name in statement.names]
    written = ", ".join((listed + ["_"] * count)[:count]) if count > 1 else listed[0]
    return [*changes, (f"write `{written} = ...`: `_` takes a value that is not needed", [(names, written)])]


def _as_many_parts(statement: s.Bind) -> list[tuple[str, list[tuple[Span, str]]]]:
    """`a, b, c, d = x -> split(3)`: the number of parts, where their size may have been meant."""
    value, wanted = statement.value, len(statement.names)
    core = value.stages[-1].core if isinstance(value, s.Pipeline) else None
    call = core.call if isinstance(core, s.Apply) else value
    if not isinstance(call, s.Call) or s.callee(call).span.text != "split":
        return []
    numbers = [a.value for a in call.arguments if a.name is None or a.name.text == "parts"]
    parts = next((n for n in numbers if isinstance(n, s.Number)), None)
    if parts is None:
        return []
    help = f"`{parts.span.text}` is the number of parts here, not their size: write `{wanted}`"
    return [(help, [(parts.span, str(wanted))])]
