"""The prompt and the other inputs of `netrun generate`, as ids and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netdsl.diagnostics import suggest
from netdsl.model import Slot
from netruntime.cli.common.failures import usage_error
from netruntime.cli.common.output import note
from netruntime.cli.run.feeds import input_spec
from netruntime.engine.network import Network
from netruntime.errors import GenerationError, shown
from netruntime.generation.roles import Roles
from netruntime.readers.inputs import INLINE_TEXT, read_input
from netruntime.readers.options import DataOptions
from netruntime.readers.sources import FILE_SUFFIXES
from netruntime.readers.vocabulary import Codec

INLINE_IDS = "ids:"


def read_ids(text: str, what: str) -> list[int]:
    """`1,2,3` as numbers. Raises `CommandLineError` E0921."""
    parts = text.replace(",", " ").split()
    if not all(part.isascii() and part.isdigit() and len(part) < 16 for part in parts):
        raise usage_error("E0921", f"{what} must be integer ids such as 5,12,3, but is {shown(text)}")
    return [int(part) for part in parts]


def encode(text: str, codec: Codec | None, what: str) -> list[int]:
    """The ids of a text. Raises `GenerationError` E1106 without a tokenizer or vocabulary."""
    if codec is None:
        help = "pass --tokenizer tokenizer.json or --vocab vocab.json, or give ids instead of text"
        raise GenerationError.make(
            "E1106",
            f"{what} is text, but there is no tokenizer or vocabulary to split it into tokens",
            help=help,
        )
    return [int(token) for token in codec.encode(text, what)]


def read_inputs(
    network: Network,
    roles: Roles,
    specs: Sequence[str],
    codec: Codec | None,
    options: DataOptions,
    *,
    seed: int,
) -> dict[str, Any]:
    """The inputs other than the tokens, by name; `seed` is that of random ones.

    Raises `CommandLineError` E0921 for a text that does not name such an input, `DataInputError` for data
    that cannot be read, and `GenerationError` E1106 for text without a vocabulary.
    """
    slots = {slot.name: slot for slot in network.model.body.inputs}
    arrays: dict[str, Any] = {}
    for text in specs:
        name, equals, spec = text.partition("=")
        if not equals or name not in slots:
            help = (
                suggest(name, roles.given)
                or f"the inputs other than the tokens: {', '.join(roles.given) or 'none'}"
            )
            raise usage_error("E0921", f"{shown(text)} does not name an input of `{network.name}`", help)
        if name == roles.tokens:
            help = "pass them with --prompt or --prompt-ids"
            raise usage_error("E0921", f"`{name}` takes the tokens themselves", help)
        if name in arrays:
            raise usage_error("E0921", f"the input {shown(name)} appears twice")
        arrays[name] = _read(slots[name], spec, codec, options, seed)
    return arrays


def _read(slot: Slot, spec: str, codec: Codec | None, options: DataOptions, seed: int) -> Any:
    """An input: tokens `[1, S]` from text or ids, or data read as by `netrun run`."""
    if not (slot.type.dtype.is_int and slot.type.rank == 2) or _is_file(spec):
        return read_input(spec, input_spec(slot), options, seed=seed, note=note)
    if spec.startswith(INLINE_IDS):
        ids = read_ids(spec.removeprefix(INLINE_IDS), f"the input `{slot.name}`")
    else:
        ids = encode(spec.removeprefix(INLINE_TEXT), codec, f"the input `{slot.name}`")
    if not ids:
        raise usage_error("E0921", f"the input `{slot.name}` has no value", "write some text after the =")
    return np.array([ids], np.int64)


def _is_file(spec: str) -> bool:
    path = Path(spec.partition(":")[0])
    try:
        return path.suffix.lower() in FILE_SUFFIXES - {".txt"} and path.is_file()
    except (OSError, ValueError):
        return False
