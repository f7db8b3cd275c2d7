"""What lies beside weights and says how data was numbered for them: the characters of text, the classes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path

from netdsl.folders import refuse_endless
from netruntime.data.augment import Normalise, parse_augment
from netruntime.data.dataset import Dataset
from netruntime.errors import DataInputError, WeightsError, shown
from netruntime.readers.options import DataOptions
from netruntime.readers.pixels.scaling import scale_text
from netruntime.readers.trained import METADATA_KEY, TrainedData, read_description
from netruntime.weight_files.weight_file import WeightFile
from netruntime.weight_files.weights import read_weights

VOCABULARY, CLASSES, TOKENIZER, DATA = "vocab.json", "classes.json", "tokenizer.json", "data.json"


def beside(weights: str | PathLike[str], *names: str) -> list[Path]:
    """The files of these names in the folder of weights; `NAME.vocab.json` of `NAME.safetensors` first."""
    path = Path(weights)
    folder = path if path.is_dir() else path.parent
    own = [f"{path.stem}.{name}" for name in names]
    return [folder / name for name in (*own, *names) if (folder / name).is_file()]


def read_names(path: Path, what: str = "the names") -> tuple[str, ...]:
    """A JSON list of different texts. Raises `DataInputError` E0842, which calls it `what`."""
    try:
        refuse_endless(path)
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


def described(weights: object) -> TrainedData | None:
    """How the data was read that weights were trained on: from the file of weights, or `data.json` beside it.

    None where neither says so. Raises `DataInputError` E0842 for a description that cannot be read.
    """
    if isinstance(weights, WeightFile):
        text = weights.metadata.get(METADATA_KEY)
        return None if text is None else read_description(text, weights.source)
    if not isinstance(weights, str | PathLike):
        return None
    with suppress(WeightsError):  # reported where the weights are opened
        if (text := read_weights(weights).metadata.get(METADATA_KEY)) is not None:
            return read_description(text, shown(weights))
    found = beside(weights, DATA)
    if not found:
        return None
    try:
        return read_description(found[0].read_text(encoding="utf-8"), shown(found[0]))
    except (OSError, UnicodeDecodeError) as wrong:
        raise _bad(found[0], "the description", f"cannot be read: {wrong}") from None


def vocabulary_beside(weights: object) -> tuple[str, ...] | None:
    """The characters that weights were trained with; None where no file says so.

    Beside a `tokenizer.json` they are none: other programs keep a `vocab.json` of its tokens there.
    """
    found = beside(weights, VOCABULARY) if isinstance(weights, str | PathLike) else []
    if found and not (found[0].name == VOCABULARY and found[0].with_name(TOKENIZER).is_file()):
        return read_names(found[0], "the vocabulary")
    known = described(weights)
    return known.vocabulary if known else None


def classes_beside(weights: object) -> tuple[str, ...] | None:
    """The classes that weights were trained with, by number; None where nothing says so."""
    found = beside(weights, CLASSES) if isinstance(weights, str | PathLike) else []
    if found:
        return read_names(found[0], "the list of classes")
    known = described(weights)
    return known.classes if known else None


def tokenizer_beside(weights: object) -> Path | None:
    """The `tokenizer.json` that weights were trained with, where it lies beside them."""
    known = described(weights)
    if known is None or not known.tokenizer or not isinstance(weights, str | PathLike):
        return None
    found = [path for path in beside(weights, TOKENIZER) if tokenizer_hash(path) == known.tokenizer]
    return found[0] if found else None


def tokenizer_hash(path: str | PathLike[str]) -> str:
    """The SHA-256 of a tokenizer's file; empty if it cannot be read."""
    try:
        refuse_endless(Path(path))
        import hashlib  # OpenSSL takes as long as the rest of this module

        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def as_trained(options: DataOptions, weights: object) -> DataOptions:
    """The options with what they leave open as it was when the weights were trained.

    That is the columns and their order, the numbers of characters and classes, the tokenizer, and how
    pictures are scaled and resized. Raises `DataInputError` E0842.
    """
    known = described(weights)
    if options.tokenizer is None and options.vocabulary is None:
        options = replace(options, tokenizer=tokenizer_beside(weights))
    if options.vocabulary is None and options.tokenizer is None:
        options = replace(options, vocabulary=vocabulary_beside(weights))
    if options.class_names is None:
        options = replace(options, class_names=classes_beside(weights))
    return options if known is None else known.applied_to(options)


def as_trained_once(options: DataOptions, weights: object) -> DataOptions:
    """As `as_trained`, for inputs that no `--augment` normalises: reading them does, as in training."""
    known = described(weights)
    if known is None or options.mean or options.std or options.normalise:
        return as_trained(options, weights)
    return as_trained(replace(options, normalise=known.normalisation), weights)


def trained_notes(options: DataOptions, weights: object, data: Dataset) -> tuple[str, ...]:
    """What is not known of the data that weights were trained on and matters for this, or differs from it."""
    known = described(weights)
    if weights is None:
        return ()
    if known is None:
        if all(len(columns) < 2 for columns in data.sources.values()):
            return ()
        text = "the weights do not record how their training data was read"
        return (f"{text}: the columns are used in the order they have here",)
    other = options.tokenizer is not None and tokenizer_hash(options.tokenizer) != known.tokenizer
    if known.tokenizer and other:
        return (f"{shown(str(options.tokenizer))} is not the tokenizer that the weights were trained with",)
    return ()


def normalised_as_trained(augment: str | None, options: DataOptions, weights: object) -> str | None:
    """The `--augment` of weights that were trained with `normalise`, unless the options already normalise."""
    known = described(weights)
    if augment is not None or known is None or options.mean or options.std or options.normalise:
        return augment
    return known.normalise or None


def read_as_before(
    names: Iterable[str], options: DataOptions, augment: str | None, weights: object
) -> tuple[DataOptions, str | None, tuple[str, ...]]:
    """The options and the augmentation with the scale and the normalisation of the weights, and notes on it.

    `names` are the inputs of the model; nothing changes where none of them was a picture for the weights.
    Options that say otherwise are kept, and a note compares them. Raises `DataInputError`: E0842 for a
    description that cannot be read, E0835 for an augmentation.
    """
    before = described(weights)
    if before is None or not set(names) & before.pictures.keys():
        return options, augment, ()
    read, notes = _scaled(options, before)
    normalise, more = _normalised(options, augment, before)
    return read, normalise, (*notes, *more)


def _scaled(options: DataOptions, before: TrainedData) -> tuple[DataOptions, tuple[str, ...]]:
    notes = []
    if before.scale is not None and options.factor != before.scale:
        ours, theirs = scale_text(options.factor), scale_text(before.scale)
        if options.scale is None:
            notes.append(f"bytes are multiplied by {theirs}, as in the training of the weights")
        else:
            notes.append(f"bytes are multiplied by {ours}, but were by {theirs} for the weights")
    if options.scale is None:
        options = replace(options, scale=before.scale)
    if (options.mean, options.std) == (before.mean, before.std):
        return options, tuple(notes)
    theirs = f"mean {_listed(before.mean)} and std {_listed(before.std)}"
    if options.mean or options.std:
        notes.append(f"mean and std are not those of the weights, {theirs}")
        return options, tuple(notes)
    notes.append(f"{theirs} are applied to bytes, as in the training of the weights")
    return replace(options, mean=before.mean, std=before.std), tuple(notes)


def _normalised(
    options: DataOptions, augment: str | None, before: TrainedData
) -> tuple[str | None, tuple[str, ...]]:
    """The augmentation with `normalise` as for the weights, unless it or `mean` and `std` say otherwise."""
    if not before.normalise:
        return augment, ()
    steps = parse_augment(augment or "").steps
    ours = [str(step) for step in steps if isinstance(step, Normalise)]
    said = f"`{before.normalise}`"
    if options.mean or options.std or any(text not in ("normalise", before.normalise) for text in ours):
        return augment, (f"the images are not normalised as for the weights: {said}",)
    texts = [before.normalise if isinstance(step, Normalise) else str(step) for step in steps]
    result = ",".join(texts if ours else [*texts, before.normalise])
    note = () if before.normalise in ours else (f"images are normalised as for the weights: {said}",)
    return result, note


def _listed(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers) or "none"


def _bad(path: Path, what: str, why: str) -> DataInputError:
    help = 'it is a JSON list such as ["a", "b"], in the order of their numbers'
    return DataInputError.make("E0842", f"{what} {shown(path)} {why}", help=help)
