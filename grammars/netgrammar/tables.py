"""The grammar of `.net` files, compiled: LALR(1) tables, and the pattern of the tokens.

Lark takes about 0.2 s to compile the grammar, and 0.05 s to import, so the build of the package stores the
result as JSON beside it. Stored tables of another grammar are ignored: the grammar is compiled.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

STORED = "tables.json"
FOLDER = Path(__file__).parent
_SOURCES = ("net.lark", "tokens.lark", "compiling.py")


class Rule(NamedTuple):
    """How a rule of the grammar turns `size` values into one; no rule of ours is empty.

    Args:
        origin: The rule's name in the table.
        name: The name of what is built; rules whose name begins with `_` only list their parts.
        keep: The values that are kept: the index, whether it is a list of parts, and how many optional
            parts are missing before it.
        missing: How many optional parts are missing at the end.
        single: Whether one part alone takes the place of the node.
        passes_through: Whether the rule only renames its one value.
    """

    size: int
    origin: str
    name: str
    keep: Sequence[tuple[int, bool, int]]
    missing: int
    single: bool
    passes_through: bool

    def parts(self, values: Sequence[Any]) -> list[Any]:
        """The parts of the node: the kept values, `None` for each optional part that is missing."""
        parts: list[Any] = []
        for index, is_list, missing in self.keep:
            if missing:
                parts += [None] * missing
            if not is_list:
                parts.append(values[index])
            elif parts:
                parts += values[index]
            else:
                parts = values[index]  # a list that grows by one part at a time is not copied
        return parts + [None] * self.missing if self.missing else parts


class Tables(NamedTuple):
    """What reading a text needs of the grammar.

    Args:
        pattern: Matches one token, whose type is the name of the group.
        reserved: The types of the words that are no names.
        ignored: The types of tokens that are left out.
        states: For each state and symbol the next state, or `~n` where rule `n` ends.
        start: The state before the first token.
        end: The state in which the text is complete.
    """

    pattern: re.Pattern[str]
    reserved: Mapping[str, str]
    ignored: frozenset[str]
    rules: Sequence[Rule]
    states: Sequence[Mapping[str, int]]
    start: int
    end: int


@lru_cache(maxsize=1)
def tables() -> Tables:
    """The tables of the grammar."""
    stored = _stored(FOLDER) or _compiled()
    return Tables(
        re.compile(stored["pattern"]),
        stored["reserved"],
        frozenset(stored["ignored"]),
        [Rule(*rule) for rule in stored["rules"]],
        stored["states"],
        stored["start"],
        stored["end"],
    )


def digest(folder: Path) -> int:
    """A checksum of what tables depend on: the text of the grammar, and how it is compiled."""
    return crc32(b"\0".join((folder / name).read_bytes() for name in _SOURCES))


def store(folder: Path) -> Path:
    """Write the tables into the folder of the grammar, unless they are there already."""
    path = folder / STORED
    if not _stored(folder):
        text = json.dumps({"digest": digest(folder), **_compiled()}, separators=(",", ":"))
        written = path.with_suffix(f".{os.getpid()}.new")
        written.write_text(text, encoding="utf-8")
        written.replace(path)  # another process may be reading
    return path


def _stored(folder: Path) -> dict[str, Any] | None:
    """The tables stored in a folder, if they are those of its grammar."""
    try:
        stored: dict[str, Any] = json.loads((folder / STORED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) and stored.get("digest") == digest(folder) else None


def _compiled() -> dict[str, Any]:
    from netgrammar.compiling import compiled, tables_of  # Lark is imported when it is needed

    return tables_of(compiled())


if __name__ == "__main__":
    store(FOLDER)
