"""Layers: one set of weights for every use, in the body that declares them and in blocks that take them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netdsl.checker.calls.application import Application
from netdsl.checker.calls.blocks import instantiate
from netdsl.checker.calls.construct import construct_block
from netdsl.checker.calls.tensor_arguments import bind_tensors
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.reports import set_here
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import LayerUse, LayerValue, Tensor
from netdsl.diagnostics import Label
from netdsl.model import OUTSIDE, Body, CallStep, below
from netdsl.source import Span


def apply_layer(scope: Scope, layer: LayerValue, application: Application) -> list[Tensor]:
    """Apply a shared layer: the same weights at every use. Raises E0309 if their shapes would differ."""
    value, span = layer.block, application.span
    if value.statics is None:
        value = construct_block(scope, value, (), span)
    inputs = bind_tensors(scope, value.block, application.piped, application.arguments, span)
    body, moved = instantiate(scope, value, inputs, application.callee_span, layer.path)
    use = scope.use_of(layer)
    if use.body is None:
        use.body, use.span, use.inputs = body, span, tuple(inputs)
    else:
        cause = Edited(_second_layer(layer, span))
        _same_weights(scope, layer.name, use, body, span, inputs=inputs, cause=cause)
    borrow(scope, body, layer.path, span)
    values = tuple(i.value for i in inputs if i is not None)
    if scope.reuses_calls and values in use.results:
        return use.results[values]
    step = CallStep(body, values, layer.path, span, use.count)
    use.count += 1
    use.results[values] = list(scope.add_call(step, moved))
    return use.results[values]


def borrow(scope: Scope, body: Body, path: str, span: Span) -> None:
    """Count what a body that is called under a path uses of the layers that are passed to it.

    Raises E0309 if it would need other weights than the uses before.
    """
    for label, layer in body.borrowed.items():
        at = below(path, label)
        use = scope.layers.setdefault(at, LayerUse())
        if use.body is None:
            use.body, use.span = layer, span
        else:
            _same_weights(scope, at.lstrip(OUTSIDE), use, layer, span)


def _same_weights(
    scope: Scope,
    name: str,
    use: LayerUse,
    body: Body,
    span: Span,
    *,
    inputs: Sequence[Tensor | None] = (),
    cause: Edited | None = None,
) -> None:
    assert use.body is not None
    if use.body is body:
        return
    first, now = _weight_types(use.body), _weight_types(body)
    if first == now:
        return
    path = next(p for p in (*first, *now) if first.get(p) != now.get(p))
    message = f"the layer `{name}` would need `{path}` as {now.get(path)} here, but it is {first.get(path)}"
    also = [Label(use.span or span, "its first use is here")]
    for first_input, now_input in zip(use.inputs, inputs, strict=False):
        shapes = [i.type.shape if i is not None else () for i in (first_input, now_input)]
        for a, b in zip(*shapes, strict=False):
            for size in (a, b) if a != b else ():
                also += set_here(scope, size.origin, f"{size} is set here") if size.origin else []
    help = "a shared layer has one set of weights, so every input must have the sizes of the first"
    scope.fail("E0309", message, span, also=also, help=help, cause=cause)


def _weight_types(body: Body) -> dict[str, str]:
    return {path: str(step.types[0]) for path, step in body.parameters.items()}


def _second_layer(layer: LayerValue, span: Span) -> list[tuple[str, list[tuple[Span, str]]]]:
    """The use with a layer of its own."""
    name, line = f"{layer.name}2", layer.span.text
    end = layer.span.source.span(layer.span.end, layer.span.end)
    indent = " " * (layer.span.column - 1)
    second = re.sub(rf"\b{layer.name}\b", name, line, count=1)
    help = f"give both inputs one size, or give this one a layer of its own: `{second}`, and `{name}` here"
    if layer.outward or not span.text.startswith(layer.name) or not line.startswith("layer "):
        return []
    use = span.source.span(span.start, span.start + len(layer.name))
    return [(help, [(end, f"\n{indent}{second}"), (use, name)])]
