"""The tokenizer of a `tokenizer.json` (the extra `text`), whose every failure is an error of our own.

The package `tokenizers` is compiled from Rust. What it cannot do raises `Exception`, and what it did not
foresee is a panic: a `BaseException` of its own kind, with a report written to descriptor 2.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from netdsl.folders import refuse_endless
from netruntime.errors import DataInputError, need_extra, shown
from netruntime.files.opening import near_file

TEXT_PARTS = ("normalizer", "pre_tokenizer", "decoder")

MAX_GROWTH = 1000
"""How many times as long its replacements may make a text; those of published models at most double it."""

MAX_REPEATS = 10
"""How many times a template may repeat the tokens of a text; those of published models have them once."""

SECONDS, CHARACTERS_A_SECOND = 10.0, 20_000
"""The time that its own regular expressions may take: so long for any text, and more by its length.

Those of published models split some millions of characters a second.
"""

MAX_SPECIAL = 100_000
"""The most special tokens that a tokenizer may add to a text."""

Result = TypeVar("Result")


class Tokenizer:
    """The tokenizer of a file. Every method raises `DataInputError` E0844 where the tokenizer fails."""

    def __init__(self, path: str | os.PathLike[str], package_tokenizer: Any, has_patterns: bool) -> None:
        self._path = path
        self._own = package_tokenizer
        self._has_patterns = has_patterns

    @property
    def padding(self) -> Mapping[str, Any] | None:
        """What the file says of padding."""
        padding: Mapping[str, Any] | None = self._try(lambda: self._own.padding)
        return padding

    def no_padding(self) -> None:
        """Do not pad, whatever the file says."""
        self._try(self._own.no_padding)

    def no_truncation(self) -> None:
        """Do not truncate, whatever the file says."""
        self._try(self._own.no_truncation)

    def enable_truncation(self, length: int) -> None:
        """Truncate to this many tokens."""
        self._try(lambda: self._own.enable_truncation(length))

    def special_count(self) -> int:
        """How many special tokens are added to each text."""
        return self._try(lambda: int(self._own.num_special_tokens_to_add(False)))

    def token_to_id(self, token: str) -> int | None:
        """The id of a token; None where it has none."""
        number: int | None = self._try(lambda: self._own.token_to_id(token))
        return number

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """The ids of a text."""
        if self._has_patterns:
            return self._encode_all([text], special=special)[0]
        return self._try(lambda: list(self._own.encode(text, add_special_tokens=special).ids))

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, with special tokens."""
        return self._encode_all(list(texts), special=True)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        if self._has_patterns:
            return str(self._try(lambda: self._own.decode_batch([list(ids)])[0], length=len(ids)))
        return self._try(lambda: str(self._own.decode(list(ids))))

    def _encode_all(self, texts: list[str], *, special: bool) -> list[list[int]]:
        encode = self._own.encode_batch
        length = sum(map(len, texts))
        encodings = self._try(lambda: encode(texts, add_special_tokens=special), length)
        return [list(encoding.ids) for encoding in encodings]

    def _try(self, call: Callable[[], Result], length: int = 0) -> Result:
        """Call the package, for a text of this length; what splits by patterns must release Python's lock."""
        with _failures(lambda reason: _fails(self._path, reason)):
            return _in_time(call, length) if self._has_patterns else call()


def load_tokenizer(path: str | os.PathLike[str] | None) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`.

    Raises `DataInputError`: E0815 for a file that is missing or cannot be read, E0844 for one that would make
    texts too long; and `MissingExtraError`.
    """
    if path is None:
        help = "pass the model's tokenizer.json: `--tokenizer tokenizer.json`, in Python `tokenizer=`"
        raise DataInputError.make("E0815", "text needs a tokenizer", help=help)
    package = need_extra("tokenizers", "text", "splitting text into tokens")
    try:
        refuse_endless(Path(path))
        definition = Path(path).read_text(encoding="utf-8")
    except OSError as reason:
        message = f"cannot read the tokenizer {shown(path)}: {reason.strerror or reason}"
        near = near_file(Path(path)) if isinstance(reason, FileNotFoundError) else None
        raise DataInputError.make("E0815", message, help=near) from reason
    except ValueError as wrong:  # not UTF-8, or a name with a null byte
        raise _unreadable(path, str(wrong)) from wrong
    table = _table(path, definition)
    _check_growth(path, table)
    with _failures(lambda reason: _unreadable(path, reason)):
        tokenizer = Tokenizer(
            path,
            package.Tokenizer.from_str(definition),
            _has_patterns([table.get(part) for part in TEXT_PARTS]),
        )
    if tokenizer.special_count() > MAX_SPECIAL:
        raise _fails(path, f"it adds more than {MAX_SPECIAL:,} special tokens to each text")
    return tokenizer


# -- texts that grow -----------------------------------------------------------------------------


def _table(path: str | os.PathLike[str], definition: str) -> dict[str, Any]:
    try:
        table = json.loads(definition)
    except (ValueError, RecursionError) as wrong:
        raise _unreadable(path, str(wrong)) from wrong
    return table if isinstance(table, dict) else {}


def _check_growth(path: str | os.PathLike[str], parts: Mapping[str, Any]) -> None:
    """Raise E0844 for replacements, one after another, that make a text far longer."""
    limits = dict.fromkeys(TEXT_PARTS, MAX_GROWTH)
    for part, limit in (limits | {"post_processor": MAX_REPEATS}).items():
        try:
            growth = _growth(parts.get(part))
        except ValueError as wrong:
            raise _fails(path, str(wrong)) from wrong
        if growth > limit:
            message = f"its `{part}` can make a text {growth:.2g} times as long, more than {limit:,} times"
            raise _fails(path, message)


def _growth(part: Any) -> float:
    """How many times as long a step makes a text at most, steps in a sequence multiplied."""
    if isinstance(part, list):
        product = 1.0
        for step in part:
            product = min(product * _growth(step), 1e300)
        return product
    if not isinstance(part, dict):
        return 1.0
    if part.get("type") == "TemplateProcessing":
        return _repeats(part)
    own = _replacement(part) if part.get("type") == "Replace" else 1.0
    _check_charsmap(part.get("precompiled_charsmap"))
    nested = (value for value in part.values() if isinstance(value, (dict, list)))
    for value in nested:
        own = min(own * _growth(value), 1e300)
    return own


def _replacement(step: Mapping[str, Any]) -> float:
    content, pattern = step.get("content"), step.get("pattern")
    length = len(content) if isinstance(content, str) else 1
    text = pattern.get("String") if isinstance(pattern, dict) else None
    return max(1.0, length / len(text)) if isinstance(text, str) and text else 1.0 + length


def _check_charsmap(charsmap: Any) -> None:
    """Raise `ValueError` for a table that promises more bytes than it has: the package would take them."""
    if not isinstance(charsmap, str):
        return
    content = base64.b64decode(charsmap)
    promised = int.from_bytes(content[:4], "little")
    if promised > len(content) - 4:
        rest = max(0, len(content) - 4)
        raise ValueError(f"its `precompiled_charsmap` promises {promised:,} bytes, but has {rest:,}")


def _repeats(template: Mapping[str, Any]) -> float:
    """How often a template names its text; it is a list of pieces, or a text such as `$A [SEP]`."""
    single = template.get("single")
    pieces = single.split() if isinstance(single, str) else single if isinstance(single, list) else []
    return max(1.0, float(sum("Sequence" in str(piece) or str(piece).startswith("$") for piece in pieces)))


# -- patterns that never end ---------------------------------------------------------------------


def _has_patterns(part: Any) -> bool:
    """Whether a part of the file has regular expressions of its own."""
    if isinstance(part, list):
        return any(map(_has_patterns, part))
    return isinstance(part, dict) and ("Regex" in part or any(map(_has_patterns, part.values())))


def _in_time(call: Callable[[], Result], length: int) -> Result:
    """The result of a call of the package, or `TimeoutError`: its thread cannot be stopped, and goes on."""
    results: list[Result] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as wrong:  # raised again below
            failures.append(wrong)

    seconds = SECONDS + length / CHARACTERS_A_SECOND
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not results:
        raise TimeoutError(f"its patterns take more than {seconds:,.0f} s for {length:,} characters")
    return results[0]


# -- failures ------------------------------------------------------------------------------------


@contextmanager
def _failures(error: Callable[[str], DataInputError]) -> Iterator[None]:
    """Turn whatever the package raises into an error, and keep the report of a panic from the terminal."""
    try:
        with _without_panic_report():
            yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except MemoryError as full:
        raise error("it ran out of memory") from full
    except BaseException as wrong:  # a panic is not an `Exception`
        raise error(str(wrong).partition("\n")[0] or type(wrong).__name__) from None


_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def _without_panic_report() -> Iterator[None]:
    """Hold back what is written to descriptor 2 inside, and drop it if that ends in an error."""
    with _ONE_AT_A_TIME:
        try:
            screen = tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
            kept = os.dup(2)
        except OSError:  # no such descriptor, or no room for the file
            yield
            return
        with screen:
            os.dup2(screen.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(kept, 2)
                os.close(kept)
            screen.seek(0)
            with suppress(OSError):
                os.write(2, screen.read())


def _unreadable(path: str | os.PathLike[str], reason: str) -> DataInputError:
    line = reason.partition("\n")[0]
    return DataInputError.make("E0815", f"{shown(path)} is not a tokenizer.json that can be read: {line}")


def _fails(path: str | os.PathLike[str], reason: str) -> DataInputError:
    help = "use the tokenizer.json that belongs to the model, as it was published"
    return DataInputError.make("E0844", f"the tokenizer {shown(path)} fails: {reason}", help=help)
