"""The feeds of a model's inputs, from the `--input` options."""

from __future__ import annotations

import glob
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from netdsl.diagnostics import Diagnostic, Label, NetError, error, suggest
from netdsl.immutable import immutable
from netdsl.model import Model, Slot
from netruntime.cli.common.failures import usage_error
from netruntime.data.matching import fillers_for
from netruntime.data.padding import Filler
from netruntime.errors import DataInputError, shown
from netruntime.readers.generated import is_generated
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import INLINE_TEXT, STDIN

MASKS = ("mask", "attention_mask", "padding_mask", "key_padding_mask", "attn_mask")
"""What other frameworks call masks."""


@immutable
class Feed:
    """An input, and the text that names its data."""

    wanted: InputSpec
    spec: str

    @property
    def is_generated(self) -> bool:
        return is_generated(self.spec)

    @property
    def is_many(self) -> bool:
        """Whether the text names a folder or a pattern of files."""
        if self.is_generated or self.spec == STDIN or self.spec.startswith(INLINE_TEXT):
            return False
        path = Path(self.spec)
        try:
            return path.is_dir() or (glob.has_magic(self.spec) and not path.exists())
        except (OSError, ValueError):
            return False


def parse_feeds(model: Model, file: Path, specs: Sequence[str]) -> list[Feed]:
    """The feeds of a model's inputs, in the order of the inputs.

    A text is `name=SPEC`, or a bare SPEC if the model has one input. Raises `DataInputError` E0850 for
    inputs that are unknown or missing, and `CommandLineError` E0921 for those that appear twice.
    """
    slots = {slot.name: slot for slot in model.body.inputs}
    by_name: dict[str, str] = {}
    refused: list[Diagnostic] = []
    for text in specs:
        try:
            name, spec = _split(model, slots, text)
        except DataInputError as failed:
            refused += failed.diagnostics
            continue
        if name in by_name:
            raise usage_error("E0921", f"the input {shown(name)} appears twice")
        by_name[name] = spec
    if refused:
        raise DataInputError(refused)
    if list(by_name.values()).count(STDIN) > 1:
        raise usage_error("E0921", "standard input can feed only one input, but `-` is used for several")
    filled = _fillers(model, by_name)
    missing = [slot for slot in slots.values() if slot.name not in by_name and slot.name not in filled]
    if missing:
        raise _missing(model, file, missing, by_name)
    return [Feed(input_spec(slot), by_name[name]) for name, slot in slots.items() if name in by_name]


def with_generated(model: Model, specs: Sequence[str]) -> list[str]:
    """The texts with generated data for the inputs that they do not name and that follow from no others."""
    slots = {slot.name: slot for slot in model.body.inputs}
    named = {text.partition("=")[0] for text in specs} & slots.keys()
    if specs and not named:
        return list(specs)  # a bare SPEC, for a model of one input
    filled = _fillers(model, named)
    missing = [slot for name, slot in slots.items() if name not in named and name not in filled]
    return [*specs, *(f"{slot.name}={generated(slot)}" for slot in missing)]


def fillers_of(model: Model, fed: Collection[str]) -> dict[str, Filler]:
    """The inputs that need no data: keep-masks, lengths and segments of sequences that are fed."""
    return {name: filler for name, filler in _fillers(model, fed).items() if filler.of in fed}


def _fillers(model: Model, fed: Collection[str]) -> dict[str, Filler]:
    return fillers_for({slot.name: input_spec(slot) for slot in model.body.inputs}, fed)


def input_spec(slot: Slot) -> InputSpec:
    """The properties of an input that its reader needs."""
    return InputSpec(slot.name, slot.type, slot.span)


def _split(model: Model, slots: dict[str, Slot], text: str) -> tuple[str, str]:
    name, equals, spec = text.partition("=")
    if equals and name in slots:
        return _filled(name, spec)
    named = bool(equals) and name.isidentifier() and not Path(text).exists()
    if named or not slots:
        help = suggest(name, slots) or (f"its inputs are {', '.join(slots)}" if slots else "it has no inputs")
        if name in MASKS and "keep" in slots:
            help = "it is called `keep`, true where a token counts: the opposite of a padding mask in PyTorch"
        span = model.body.span
        raise DataInputError.make("E0850", f"`{model.name}` has no input {shown(name)}", span, help=help)
    if len(slots) > 1:
        names = " or ".join(f"{known}={text}" for known in list(slots)[:3])
        message = f"`{model.name}` has {len(slots)} inputs, but {shown(text)} does not name one"
        raise usage_error("E0921", message, f"write --input {names}")
    return _filled(next(iter(slots)), text)


def _filled(name: str, spec: str) -> tuple[str, str]:
    if not spec:
        raise usage_error("E0921", f"the input {shown(name)} has no value", f"write {name}=FILE")
    return name, spec


def _missing(model: Model, file: Path, missing: Sequence[Slot], by_name: dict[str, str]) -> NetError:
    """The error for missing inputs: each with its location and type, and an example command."""
    names = " and ".join(f"`{slot.name}`" for slot in missing)
    fed = {*by_name, *(slot.name for slot in missing)}
    feeds = [f"{s.name}={by_name.get(s.name) or example(s)}" for s in model.body.inputs if s.name in fed]
    words = ["netrun", "run", str(file), *(word for feed in feeds for word in ("--input", feed))]
    words += [word for name in _open_sizes(missing) for word in ("--size", f"{name}=32")]
    first, *rest = [Label(slot.span, f"{slot.name} is {slot.type}") for slot in missing]
    message = f"`{model.name}` needs data for its input{'s' if rest else ''} {names}"
    help = f"for example: {shlex.join(words)}"
    return DataInputError(error("E0850", message, first.span, first.text, also=rest, help=help).diagnostics)


def _open_sizes(missing: Sequence[Slot]) -> list[str]:
    """The free sizes that generated data of the examples needs, but for the number of rows."""
    generated = [slot for slot in missing if is_generated(example(slot))]
    symbols = {symbol for slot in generated for size in slot.type.shape for symbol in size.symbols}
    return sorted(symbols - {"B"})


def example(slot: Slot) -> str:
    """A suitable SPEC for an input, for an example command."""
    shape, dtype = slot.type.shape, slot.type.dtype
    if len(shape) in (3, 4) and dtype.is_float and shape[-3].is_fixed and shape[-3].value in (1, 3):
        return f"{slot.name}.png"
    return generated(slot)


def generated(slot: Slot) -> str:
    """The SPEC of generated data that an input can take."""
    dtype = slot.type.dtype
    if dtype.is_int:
        return "random:0..10"
    return "random" if dtype.is_float else "ones"
