"""What lies beside weights and says how data was numbered for them: the characters of text, the classes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

from netruntime.errors import DataInputError, shown
from netruntime.readers.options import DataOptions

VOCABULARY, CLASSES, TOKENIZER = "vocab.json", "classes.json", "tokenizer.json"


def beside(weights: str | Path, *names: str) -> list[Path]:
    """The files of these names in the folder of weights; `NAME.vocab.json` of `NAME.safetensors` first."""
    path = Path(weights)
    folder = path if path.is_dir() else path.parent
    own = [f"{path.stem}.{name}" for name in names]
    return [folder / name for name in (*own, *names) if (folder / name).is_file()]


def read_names(path: Path, what: str = "the names") -> tuple[str, ...]:
    """A JSON list of different texts. Raises `DataInputError` E0842, which calls it `what`."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise _bad(path, what, f"cannot be read: {reason.strerror or reason}") from None
    except (ValueError, RecursionError) as wrong:
        raise _bad(path, what, f"is not JSON: {wrong}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, str) and entry for entry in entries):
        raise _bad(path, what, "is not a list of texts")
    if len(set(entries)) != len(entries):
        twice = next(entry for entry, count in Counter(entries).items() if count > 1)
        raise _bad(path, what, f"has the entry {shown(twice)} twice")
    return tuple(entries)


def vocabulary_beside(weights: object) -> tuple[str, ...] | None:
    """The characters that weights were trained with; None where no file says so.

    Beside a `tokenizer.json` they are none: other programs keep a `vocab.json` of its tokens there.
    """
    found = beside(weights, VOCABULARY) if isinstance(weights, str | Path) else []
    if not found or (found[0].name == VOCABULARY and found[0].with_name(TOKENIZER).is_file()):
        return None
    return read_names(found[0], "the vocabulary")


def classes_beside(weights: object) -> tuple[str, ...] | None:
    """The classes that weights were trained with, by number; None where no file says so."""
    found = beside(weights, CLASSES) if isinstance(weights, str | Path) else []
    return read_names(found[0], "the list of classes") if found else None


def as_trained(options: DataOptions, weights: object) -> DataOptions:
    """The options with the numbers that characters and classes had when the weights were trained.

    Options that say so themselves, or name a tokenizer, stay as they are. Raises `DataInputError` E0842.
    """
    if options.vocabulary is None and options.tokenizer is None:
        options = replace(options, vocabulary=vocabulary_beside(weights))
    if options.class_names is None:
        options = replace(options, class_names=classes_beside(weights))
    return options


def _bad(path: Path, what: str, why: str) -> DataInputError:
    help = 'it is a JSON list such as ["a", "b"], in the order of their numbers'
    return DataInputError.make("E0842", f"{what} {shown(path)} {why}", help=help)
