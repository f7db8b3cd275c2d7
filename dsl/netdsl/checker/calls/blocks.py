"""Building the body of a block for given static arguments and input types."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from netdsl import syntax as s
from netdsl.checker.context import reports
from netdsl.checker.context.checker import MAX_BODIES, MAX_CALL_DEPTH, Built, TooManyErrors
from netdsl.checker.context.doubts import Doubt
from netdsl.checker.context.reports import CallSite
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import (
    POISON,
    Binding,
    BlockValue,
    LayerUse,
    Poison,
    PoisonedError,
    Tensor,
    from_inside,
    layers_in,
    simplify,
)
from netdsl.checker.evaluate.statements import input_names, is_function, run_body
from netdsl.checker.sizes.shapes import TypePattern, declare, match, sizes_of, type_pattern, unbound_names
from netdsl.diagnostics import Label, NetError
from netdsl.model import OUTSIDE, Body, Slot, join, steps_out
from netdsl.source import Span
from netdsl.types import TensorType
from netdsl.work import spend

Moved = Mapping[Span | None, Span | None]
"""The mapping from the places in a shared body's sizes to those of the current call."""
BODY_STEPS = 150
"""The work of one body beside that of its steps: its scope, its names, its place among the bodies."""


def instantiate(
    scope: Scope, value: BlockValue, inputs: Sequence[Tensor | None], call: Span, label: str
) -> tuple[Body, Moved]:
    """The body of a constructed block for the types of its inputs; equal calls share one body.

    Raises:
        PoisonedError: if the body has errors, which have been reported.
        NetError: E0607 where blocks call each other without end.
    """
    checker = scope.checker
    if id(value.block) in checker.failed:
        raise PoisonedError
    weights = tuple((path, id(use.body)) for path, use in _uses_of_layers(scope, value, label).items())
    key = (value.key, tuple(None if i is None else i.type for i in inputs), checker.training, weights)
    places = _places(scope, value, inputs, call)
    if key not in checker.bodies:
        with entered(scope, key, value.block.name.text, call):
            body = _build(scope, value, inputs, call, label)
        if body is None and scope.doubts:
            raise PoisonedError  # without the assertion that fails, this call may have other errors
        checker.bodies[key] = None if body is None else Built(body, places)
    built = checker.bodies[key]
    if built is None:
        raise PoisonedError
    return built.body, dict(zip(built.places, places, strict=True))


def _places(
    scope: Scope, value: BlockValue, inputs: Sequence[Tensor | None], call: Span
) -> tuple[Span | None, ...]:
    """The places of this call that the sizes of its results may name."""
    sizes = [size.origin for i in inputs if i is not None for size in i.type.shape]
    return (reports.visible(scope, call), *(at for _, _, at in value.statics or ()), *sizes)


@contextmanager
def entered(scope: Scope, key: Hashable, name: str, call: Span) -> Iterator[None]:
    """Build a body inside this one. Raises E0607 if that would never end."""
    checker = scope.checker
    route = [*(n for _, n in checker.building), name]
    help = "a block cannot call itself, directly or through another; repeat it with `* n` or `for`"
    depth = len(checker.building)
    same = [n for n, (active, _) in enumerate(checker.building) if active == key]
    if depth >= MAX_CALL_DEPTH and name in route[:-1]:
        same = [n for n in range(depth) if route[n] == name]
    if same:
        message = f"`{name}` calls itself: {' -> '.join(route[same[-1] :])}"
        scope.fail("E0607", message, call, help=help)
    if depth >= MAX_CALL_DEPTH:
        message = f"blocks call each other more than {MAX_CALL_DEPTH} deep here"
        scope.fail("E0607", message, call, help="put some of them into one block")
    if len(checker.bodies) >= MAX_BODIES:
        message = f"the network needs more than {MAX_BODIES:,} versions of its blocks"
        with scope.recover():
            scope.fail("E0605", message, call, help="use fewer different arguments and sizes")
        raise TooManyErrors
    spend(BODY_STEPS)
    checker.building.append((key, name))
    try:
        yield
    finally:
        checker.building.pop()


def open_body(
    scope: Scope, value: BlockValue, inputs: Sequence[Tensor | None], call: Span, label: str
) -> Scope:
    """The scope of a constructed block's body: what it sees before its first statement."""
    block = value.block
    site = _call_site(scope, block, inputs, call)
    inner = Scope(
        scope.checker, value.module, block, join(scope.path, label.lstrip(OUTSIDE)), (*scope.calls, site)
    )
    inner.names.update(root_names(inner))
    inner.doubts += (Doubt(frozenset(), doubt.numbers) for doubt in scope.doubts)
    for name, static, span in value.statics or ():
        inner.bind(name, from_inside(static), span, "static")
    for layer, use in _uses_of_layers(scope, value, label).items():
        inner.layers[OUTSIDE + layer] = LayerUse(body=use.body, span=use.span)
    floats = [i.type.dtype for i in inputs if i is not None and i.type.dtype.is_float]
    inner.float_type = floats[0] if floats else scope.float_type
    return inner


def _uses_of_layers(scope: Scope, value: BlockValue, label: str) -> dict[str, LayerUse]:
    """The uses so far of the layers among a block's arguments, by their paths where those are written."""
    further_out = OUTSIDE * steps_out(label)
    paths = [layer.path for _, static, _ in value.statics or () for layer in layers_in(static)]
    return {path: scope.layers[further_out + path] for path in paths if further_out + path in scope.layers}


def _call_site(scope: Scope, block: s.Block, inputs: Sequence[Tensor | None], call: Span) -> CallSite:
    """The record of a call, with the types of its arguments."""
    pairs = zip(input_names(block), inputs, strict=True)
    described = ", ".join(f"{name} is {i.type}" for name, i in pairs if i is not None)
    return CallSite(block.name.text, call, scope.module.is_std, described, scope.names)


def _build(
    scope: Scope, value: BlockValue, inputs: Sequence[Tensor | None], call: Span, label: str
) -> Body | None:
    block = value.block
    inner = open_body(scope, value, inputs, call, label)
    before = scope.checker.failures
    slots = bind_inputs(inner, block, inputs, call)
    run_body(inner)
    if scope.checker.failures > before:
        return None
    body = finish_body(inner, block.name.text, slots)
    arguments = {name: simplify(static) for name, static, _ in value.statics or ()}
    return body and replace(body, arguments=arguments)


def root_names(scope: Scope) -> Mapping[str, Binding]:
    """The names that every body of a file sees: its configuration, and `training`."""
    checker, module = scope.checker, scope.module
    names = checker.roots.get(module)
    if names is None:
        names = {"training": Binding(checker.training, module.file.span, "config")}
        values = checker.config.get(module, {})
        places = {entry.name.text: entry.name.span for entry in module.config}
        for name, value in values.items():
            names[name] = Binding(value, places.get(name, module.file.span), "config")
        if module in checker.config:
            checker.roots[module] = names
    spend(len(names) / 4)  # a copy for every body
    return names


# -- inputs --------------------------------------------------------------------------------------


def bind_inputs(scope: Scope, block: s.Block, inputs: Sequence[Tensor | None], call: Span) -> list[Slot]:
    """Bind the inputs in their order, matching each against its declared type."""
    outer = dict(scope.names)
    slots: list[Slot] = []
    tensors: list[tuple[s.Param | None, Tensor]] = []
    for name, param, given in zip(input_names(block), _params(block), inputs, strict=True):
        if given is None:
            continue
        tensor = scope.add_value(given.type, given.span)
        at = param.name.span if param else call
        slots.append(Slot(name, given.type, tensor.value, at))
        scope.bind(name, tensor, at, "input")
        tensors.append((param, tensor))
    own = {slot.name: scope.names[slot.name] for slot in slots if slot.name in outer}
    scope.names.update({name: outer[name] for name in own})  # what sizes of the types mean
    for param, tensor in tensors:
        if param is not None and param.type is not None:
            value = _match_input(scope, block, param, tensor, call)
            binding = Binding(value, param.name.span, "input")
            (own if param.name.text in own else scope.names)[param.name.text] = binding
    scope.names.update(own)
    given_names = {slot.name for slot in slots}
    for param in _params(block):
        if param is not None and param.name.text not in given_names:
            _default_input(scope, block, param, call)
    return slots


def _match_input(scope: Scope, block: s.Block, param: s.Param, tensor: Tensor, call: Span) -> Tensor | Poison:
    """The input with the axis names of its type, or an unknown value where it does not match."""
    assert param.type is not None
    what = f"input `{param.name}` of `{block.name}`"
    if scope.names[param.name.text].kind == "input":
        scope.bind(param.name.text, POISON, param.name.span, "input")
    with scope.recover():
        return match(scope, type_pattern(scope, param.type), tensor, what, call)
    poison_sizes(scope, param.type)
    return POISON


def poison_sizes(scope: Scope, type_: s.Expr) -> None:
    """Poison the sizes a failed match left unbound, so they cause no follow-up errors."""
    for name in unbound_names(scope, type_):
        scope.bind(name.text, POISON, name.span, "size")


def _params(block: s.Block) -> list[s.Param | None]:
    return [None] if block.inputs is None and block.chain is not None else list(block.inputs or ())


def _default_input(scope: Scope, block: s.Block, param: s.Param, call: Span) -> None:
    if param.default is None:
        scope.bind(param.name.text, POISON, param.name.span, "input")
        if param.type is not None:
            poison_sizes(scope, param.type)
        before = ".., " if is_function(block) else "..)("
        help = f"give it by name: `{block.name}({before}{param.name}=...)`"
        with scope.recover():
            also = [Label(param.name.span, "declared here")]
            scope.fail(
                "E0408", f"input `{param.name}` of `{block.name}` is missing", call, also=also, help=help
            )
        return
    with scope.recover() as attempt:
        value = scope.evaluate(param.default)
        if isinstance(value, Tensor) and param.type is not None:
            what = f"input `{param.name}` of `{block.name}`"
            value = match(scope, type_pattern(scope, param.type), value, what, call)
        scope.bind(param.name.text, value, param.name.span, "input")
    if attempt.failed:
        scope.bind(param.name.text, POISON, param.name.span, "input")


def declare_model_inputs(scope: Scope, block: s.Block) -> list[Slot]:
    """The inputs of a model that is run from outside: new names in their types are free sizes."""
    slots = []
    for param in block.inputs or ():
        with scope.recover():
            if param.type is None:
                help = f"write `{param.name}: f32[B, ...]`"
                scope.fail("E0304", f"input `{param.name}` of a model needs a type", param.span, help=help)
            pattern: TypePattern = type_pattern(scope, param.type)
            type_ = declare(scope, param.name.text, pattern)
            names = tuple(e.text if isinstance(e, s.Name) else None for e in pattern.sizes)
            tensor = scope.add_value(type_, param.name.span, names)
            scope.bind(param.name.text, tensor, param.name.span, "input")
            slots.append(Slot(param.name.text, type_, tensor.value, param.name.span))
            continue
        scope.bind(param.name.text, POISON, param.name.span, "input")
        if param.type is not None:
            poison_sizes(scope, param.type)
    return slots


# -- outputs -------------------------------------------------------------------------------------


def finish_body(scope: Scope, name: str, slots: Sequence[Slot]) -> Body | None:
    """The finished body, its outputs checked against the declared ones; None if that fails."""
    block = scope.block
    assert block is not None
    outputs: list[Slot] | None = None
    with scope.recover():
        outputs = check_outputs(scope, block)
    if outputs is None:
        return None
    return Body(
        name,
        block.kind,
        tuple(slots),
        tuple(outputs),
        tuple(scope.steps),
        scope.nodes.size,
        block.name.span,
        block.doc,
        frozenset(scope.labels.automatic),
        updates=updates_of(scope),
        borrowed=scope.borrowed,
        assumptions=tuple(scope.assumptions),
    )


def updates_of(scope: Scope) -> tuple[tuple[str, int], ...]:
    """The buffers that a body updates."""
    changed = {n: new.value for n, new in scope.updates.items() if new.value != scope.tensor(n).value}
    return tuple((changed | scope.scan_updates).items())


def _as_many_outputs(block: s.Block, results: Sequence[Tensor]) -> str:
    """How the declaration, or the `return`, has as many outputs as the other."""
    declared = block.outputs or ()
    if len(results) < len(declared):
        missing = [d.name.text if d.name is not None else "..." for d in declared[len(results) :]]
        return (
            f"return {', '.join(f'`{name}`' for name in missing)} too, or declare {len(results)} output"
            + ("s" if len(results) != 1 else "")
        )
    texts = [d.span.text for d in declared] + [f"h{n}: {r.type}" for n, r in enumerate(results, 1)][
        len(declared) :
    ]
    return f"declare all of them, `-> ({', '.join(texts)})`, or return {len(declared)} of them"


def check_outputs(scope: Scope, block: s.Block) -> list[Slot]:
    if scope.result is None:
        raise PoisonedError
    results = [value for value in scope.result if isinstance(value, Tensor)]
    declared = block.outputs
    if declared is None:
        return [Slot(_output_name(n, len(results)), r.type, r.value, r.span) for n, r in enumerate(results)]
    if len(declared) != len(results):
        count = f"{len(declared)} output{'s' if len(declared) != 1 else ''}"
        message = f"`{block.name}` declares {count}, but returns {len(results)}"
        also = [Label(declared[0].span.to(declared[-1].span), "declared here")]
        help = _as_many_outputs(block, results)
        scope.fail("E0209", message, scope.result_place or block.name.span, also=also, help=help)
    slots = []
    for n, (output, result) in enumerate(zip(declared, results, strict=True)):
        what = f"output `{output.name}` of `{block.name}`" if output.name else f"the output of `{block.name}`"
        match(scope, type_pattern(scope, output.type), result, what, result.span)
        label = output.name.text if output.name else _output_name(n, len(results))
        slots.append(Slot(label, result.type, result.value, output.span))
    return slots


def output_types(scope: Scope, block: s.Block) -> dict[str, TensorType | None]:
    """What is known of the outputs of a body with errors: the types as declared, or those of its results."""
    if block.outputs is None:
        results = scope.result
        if results is None:
            returns = next((x.values for x in block.body if isinstance(x, s.Return)), (None,))
            return {_output_name(n, len(returns)): None for n in range(len(returns))}
        types = [r.type if isinstance(r, Tensor) else None for r in results]
        return {_output_name(n, len(types)): type_ for n, type_ in enumerate(types)}
    count = len(block.outputs)
    names = [o.name.text if o.name else _output_name(n, count) for n, o in enumerate(block.outputs)]
    return {n: _written_type(scope, o.type) for n, o in zip(names, block.outputs, strict=True)}


def _written_type(scope: Scope, written: s.Expr) -> TensorType | None:
    """A type as written; None where it has errors of its own, or leaves the element type open."""
    try:
        pattern = type_pattern(scope, written)
        sizes = tuple(sizes_of(scope.copy(), pattern.sizes))
    except (NetError, PoisonedError):
        return None
    return TensorType(pattern.dtype, sizes) if pattern.dtype is not None else None


def _output_name(index: int, count: int) -> str:
    return "output" if count == 1 else f"output{index}"
