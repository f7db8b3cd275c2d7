"""Advice that is not an error: what works today and may surprise tomorrow."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from netdsl import syntax as s
from netdsl.checker.ways.axes import is_channels_last
from netdsl.checker.ways.tree import parts
from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import replacement
from netdsl.model import Body, BodyStep, CallStep, Model, Parameter, Slot, steps_out
from netdsl.ops.elementwise.dropout import Dropout
from netdsl.source import Source, Span
from netdsl.work import spend

Start = tuple[Source, int]
"""Where a call begins in a text."""


def hints(models: Mapping[str, Model]) -> Iterator[Diagnostic]:
    """One hint for each block in which layers with weights have automatic names."""
    seen: set[Span] = set()
    for model in models.values():
        yield from _automatic_labels(model.body, seen)


def unused_names(file: s.File) -> Iterator[Diagnostic]:
    """One hint for each name that a block binds and never uses."""
    for item in file.items:
        if isinstance(item, s.Block):
            yield from _unused(item)


def _unused(block: s.Block) -> Iterator[Diagnostic]:
    used = {name.text for name in s.names_in((block.statics, block.inputs, block.outputs))}
    used |= {name.text for name in s.names_in((block.body, block.chain))}
    used |= {name.removesuffix("'") for name in used}
    for name, what in _bound_names(block):
        if name.text not in used and not name.text.startswith("_"):
            message = f"the {what} `{name}` of `{block.name}` is never used"
            help = "remove it, or start its name with `_`"
            yield Diagnostic("E0251", message, (Label(name.span),), help, severity="hint")


def repeated_blocks(file: s.File, models: Mapping[str, Model]) -> Iterator[Diagnostic]:
    """One hint for each name of a constructed block with weights that is applied several times."""
    minting: set[Start] = set()
    seen: set[int] = set()
    for model in models.values():
        _find_minting(model.body, minting, seen)
    for item in file.items:
        if isinstance(item, s.Block):
            for statement in item.body:
                yield from _repeated(item, statement, minting)


def _find_minting(body: Body, found: set[Start], seen: set[int]) -> None:
    """Collect the starts of the calls that create weights, in a body and in those below it."""
    if id(body) in seen:
        return
    seen.add(id(body))
    for step in body.steps:
        if isinstance(step, CallStep) and _mints(step):
            found.add((step.span.source, step.span.start))
            _find_minting(step.body, found, seen)


def _repeated(block: s.Block, statement: s.Statement, minting: Collection[Start]) -> Iterator[Diagnostic]:
    if not isinstance(statement, s.Bind) or len(statement.names) != 1:
        return
    name = statement.names[0]
    function = statement.value.function if isinstance(statement.value, s.Call) else None
    if not isinstance(function, s.Name) or not function.text[0].isupper():
        return
    applied = [call.span for call in _applications(block.body) if call.text == name.text]
    uses = [span for span in applied if (span.source, span.start) in minting]
    if len(uses) > 1:
        message = f"`{name}` is applied {len(uses)} times, each time with weights of its own"
        labels = (Label(name.span), *(Label(use, "applied here") for use in uses[:3]))
        help = f"write `layer {name} = ...` to share the weights, or `let {name} = ...` to keep them apart"
        yield Diagnostic("E0255", message, labels, help, severity="hint")


def _applications(node: object) -> Iterator[s.Name]:
    """The names that are called, or are stages."""
    if isinstance(node, s.Call) and isinstance(node.function, s.Name):
        yield node.function
    if isinstance(node, s.Apply) and isinstance(node.call, s.Name):
        yield node.call
    for part in parts(node):
        yield from _applications(part)


def pictures(models: Mapping[str, Model]) -> Iterator[Diagnostic]:
    """One hint for each input that a convolution takes with its channels last, or without any."""
    for model in models.values():
        for step in model.body.steps:
            value = step.inputs[0] if step.inputs else None
            is_conv = isinstance(step, CallStep) and step.body.name in ("Conv", "ConvBN")
            if not is_conv or value is None or value >= len(model.body.inputs):
                continue
            slot = model.body.inputs[value]
            shape = [size.value if size.is_fixed else None for size in slot.type.shape]
            yield from _picture(slot, shape, step.span)


def _picture(slot: Slot, shape: Sequence[int | None], at: Span) -> Iterator[Diagnostic]:
    batch = slot.type.shape[0] if shape else None
    message = help = ""
    if len(shape) == 3 and shape[1] == shape[2] and (shape[1] or 0) > 3:
        message = f"`Conv` takes {slot.type} as sequences of {shape[2]} steps with {shape[1]} channels"
        help = f"for images, declare `{slot.name}: {slot.type.dtype}[{batch}, 1, {shape[1]}, {shape[2]}]`"
    elif len(shape) == 4 and is_channels_last(shape):
        _, height, width, channels = slot.type.shape
        message = f"`Conv` takes {slot.type} as {height} channels of {width} x {channels} pixels"
        shown = f"{slot.type.dtype}[{batch}, {channels}, {height}, {width}]"
        help = f"declare `{slot.name}: {shown}`: the channels come first"
    if message:
        yield Diagnostic("E0256", message, (Label(at),), help, severity="hint")


def channels_first(models: Mapping[str, Model]) -> Iterator[Diagnostic]:
    """One hint for each convolution whose arguments fit the order of PyTorch: channels in, channels out."""
    seen: set[int] = set()
    for model in models.values():
        yield from _convolutions(model.body, seen)


def _convolutions(body: Body, seen: set[int]) -> Iterator[Diagnostic]:
    if id(body) in seen or body.span.source.name.startswith("std/"):
        return
    seen.add(id(body))
    for step in body.steps:
        if isinstance(step, CallStep) and step.body.name in ("Conv", "ConvBN"):
            yield from _in_and_out(step)
        elif isinstance(step, CallStep):
            yield from _convolutions(step.body, seen)


def _in_and_out(step: CallStep) -> Iterator[Diagnostic]:
    """The hint for `Conv(3, 16)` and `Conv(3, 16, 3)` of 3 channels: 16 is probably not a window."""
    written = _BY_POSITION.fullmatch(step.span.text)
    channels, size = (step.body.arguments.get(name) for name in ("channels", "size"))
    shape = step.body.inputs[0].type.shape if step.body.inputs else ()
    if written is None or not isinstance(channels, int) or not isinstance(size, int) or len(shape) < 4:
        return
    if shape[1] != channels or size % _USUAL_CHANNELS or size < channels or written[4] == written[3]:
        return  # a stride as large as the window cuts an image into patches
    block, window = step.body.name, written[4] or "3"
    text = f"{block}({written[3]}, {window})"
    plural = "s" if channels != 1 else ""
    message = f"`{step.span.text}` makes {channels} channel{plural}, with a window of {size}"
    meant = f"{channels} input channel{plural} and {size} output channels"
    help = f"if you mean {meant}, as in PyTorch, write `{text}`; otherwise write `size={written[3]}`"
    fixes = (replacement(step.span, text, is_certain=False),)
    yield Diagnostic("E0258", message, (Label(step.span),), help, severity="hint", fixes=fixes)


_BY_POSITION = re.compile(r"(Conv|ConvBN)\(\s*([\w.]+)\s*,\s*([\w.]+)\s*(?:,\s*([\w.]+)\s*)?\)")
_USUAL_CHANNELS = 8
"""Numbers of channels are multiples of this; windows of such a size are rare."""


def dropout_at_inference(models: Mapping[str, Model]) -> Iterator[Diagnostic]:
    """One hint for each use of the operator `dropout` that is in the model when it does not train."""
    seen: set[int] = set()
    for model in models.values():
        yield from _dropouts(model.body, seen)


def _dropouts(body: Body, seen: set[int]) -> Iterator[Diagnostic]:
    if id(body) in seen or body.span.source.name.startswith("std/"):
        return
    seen.add(id(body))
    for step in body.steps:
        if isinstance(step, CallStep):
            yield from _dropouts(step.body, seen)
        elif isinstance(step.op, Dropout):
            help = f"write `Dropout({step.op.p})`, which is active only during training"
            message = "the operator `dropout` also drops when the network is evaluated or run"
            yield Diagnostic("E0257", message, (Label(step.span),), help, severity="hint")


def _bound_names(block: s.Block) -> Iterator[tuple[s.Ident, str]]:
    yield from ((param.name, "static parameter") for param in block.statics)
    taken = 1 if block.chain else 0  # a short block's chain takes the first input without its name
    yield from ((param.name, "input") for param in (block.inputs or ())[taken:])
    for statement in block.body:
        if not isinstance(statement, s.Next):
            yield from ((name, _kind(statement)) for name in s.bound_names(statement))


def _kind(statement: s.Statement) -> str:
    """What a message calls the names of a statement."""
    if isinstance(statement, s.Declaration):
        return statement.kind
    return "layer" if isinstance(statement, s.Layer) else "value"


def _automatic_labels(body: Body, seen: set[Span]) -> Iterator[Diagnostic]:
    if body.span in seen or body.span.source.name.startswith("std/"):
        return
    seen.add(body.span)
    unnamed = [step for step in body.steps if _mints(step) and _is_automatic(step.label, body)]
    if unnamed:
        names = ", ".join(f"`{step.label}`" for step in unnamed[:4]) + (", ..." if len(unnamed) > 4 else "")
        several = f"{len(unnamed)} layers with weights have automatic names"
        count = several if len(unnamed) > 1 else "a layer with weights has an automatic name"
        help = "label them (`conv1: Conv(..)`), so that saved weights still fit after an edit"
        labels = (Label(unnamed[0].span, f"`{unnamed[0].label}`"),)
        yield Diagnostic("E0250", f"{count}: {names}", labels, help, severity="hint")
    for step in body.steps:
        if isinstance(step, CallStep):
            yield from _automatic_labels(step.body, seen)


def _is_automatic(label: str, body: Body) -> bool:
    """Whether a label, or the label of a loop around it, is automatic."""
    parts = label.split(".")
    spend(len(parts) * len(label) / 1000)
    return any(".".join(parts[: n + 1]) in body.automatic for n in range(len(parts)))


def _mints(step: BodyStep) -> bool:
    """Whether a step creates weights, itself or in a block below it."""
    if isinstance(step, CallStep):
        return any(steps_out(label) == 0 for label in step.body.parameters)
    return isinstance(step.op, Parameter)
