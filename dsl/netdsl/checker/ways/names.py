"""Changes for a name that nothing defines: where a value of that kind is declared, or the name it has."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl import syntax as s
from netdsl.checker.context.causes import Unnamed
from netdsl.checker.ways import pooled, tree
from netdsl.checker.ways.change import Change, change
from netdsl.checker.ways.losses import OF_CLASSES
from netdsl.source import Source, Span

_OF_OUTPUTS = ("class", "label", "out", "categor", "target")
"""Parts of names of sizes that outputs have."""
ANY_SIZE = "64"
"""The size in an example of an entry."""


def changes(cause: Unnamed) -> Iterator[Change]:
    file, place = cause.where.root.file, cause.place
    yield from _of_imports(cause)
    yield from pooled.changes(file, place)
    section = tree.smallest(file, place, s.Train)
    if section is not None:
        yield from _in_training(cause, section)
    model = tree.smallest(file, place, s.Block)
    call = tree.smallest(file, place, s.Call)
    positions = [a.value.span for a in call.arguments if a.name is None] if call is not None else []
    if model is not None and place in positions and place.text.islower() and len(place.text) > 2:
        yield from _in_config(cause, model)


def _of_imports(cause: Unnamed) -> Iterator[Change]:
    """A block of a file that was imported under a name."""
    for alias, module in cause.where.root.aliases.items():
        if module is not None and cause.place.text in module.blocks:
            yield change((cause.place, f"{alias}.{cause.place.text}"))


def _in_training(cause: Unnamed, section: s.Train) -> Iterator[Change]:
    """The output of the model, for what a loss compares; else an input of the section."""
    place = cause.place
    models = cause.where.root.file.of("model")
    outputs = [o for model in models for o in model.outputs or () if o.name is not None]
    call = tree.smallest(section, place, s.Call)
    own = {line.name.text for line in section.lines if isinstance(line, s.TrainInput)}
    used = {name.text for name in s.names_in(call)} if call is not None else set()
    of_model = [o.name.text for o in outputs if o.name is not None and o.name.text not in used]
    arguments = [a.value.span for a in call.arguments] if call is not None else []
    if place in arguments[:1] or call is None:
        for name in of_model:
            yield change((place, name), help=f"write `{name}`, the output of the model")
    for name in sorted(own - used):
        yield change((place, name), help=f"write `{name}`, the input of the section")
    start = section.span.source.text.find("{", section.span.start) + 1
    at = Span(section.span.source, start, start)
    for type_ in _label_types(call, outputs):
        line = f"input {place.text}: {type_}"
        help = f"write `{line}` in the section, if it comes from the data"
        yield change((at, f"\n  {line}"), help=help)


def _label_types(call: s.Call | None, outputs: list[s.Output]) -> list[str]:
    """The types that a label may have: class indices, or that of the output that it is compared with."""
    types = list(dict.fromkeys(o.type.span.text for o in outputs))
    of_classes = call is not None and s.callee(call).span.text in OF_CLASSES
    indices = [_without_last_axis(text) for text in types]
    return [*indices, *types] if of_classes else [*types, *indices]


def _without_last_axis(text: str) -> str:
    _, _, inner = text.partition("[")
    sizes = inner.removesuffix("]").split(",")[:-1]
    return f"i32[{','.join(sizes)}]"


def _in_config(cause: Unnamed, model: s.Block) -> Iterator[Change]:
    """An entry of `config`: a size that an output is declared to have, or any."""
    root, word = cause.where.root, cause.place.text
    types = [o.type for o in model.outputs or ()] if model.kind == "model" else []
    last = [t.elements[-1].span.text for t in types if isinstance(t, s.Index) and t.elements]
    declared = [text for text in last if text.isdigit()]
    is_of_output = any(part in word.lower() for part in _OF_OUTPUTS)
    config = next(iter(root.file.of("config")), None)
    for size in [*declared, ANY_SIZE] if is_of_output else [ANY_SIZE, *declared]:
        entry = f"{word}: int = {size}"
        if config is None:
            at, text = _after_header(model.span.source), f"\n\nconfig {{\n  {entry}\n}}"
            help = f"write `config {{ {entry} }}` at the top, or the number itself"
        else:
            start = config.span.source.text.find("{", config.span.start) + 1
            at, text = Span(config.span.source, start, start), f"\n  {entry}"
            help = f"write `{entry}` in `config`, or the number itself"
        yield change((at, text), help=help)


def _after_header(source: Source) -> Span:
    """The end of the first line, which says the version."""
    at = source.text.find("net ")
    end = source.text.find("\n", at)
    return source.span(end, end) if end >= 0 else source.span(0, 0)
