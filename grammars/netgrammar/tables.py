"""The grammar of `.net` files, compiled: LALR(1) tables and the basic lexer.

Lark takes about 0.2 s to compile the grammar, so the build of the package stores the result as JSON beside
it. Stored tables of another grammar, or of another version of Lark, are ignored: the grammar is compiled.

Source: DeRemer and Pennello, "Efficient Computation of LALR(1) Look-Ahead Sets", 1982, as Lark implements it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import lark
from lark import Lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

STORED = "tables.json"
_SOURCES = ("net.lark", "tokens.lark")
_OPTIONS: dict[str, Any] = {
    "parser": "lalr",
    "lexer": "basic",
    "start": "item",
    "maybe_placeholders": True,
    "propagate_positions": True,
}


@lru_cache(maxsize=1)
def grammar() -> Lark:
    """The compiled grammar."""
    stored = _stored(resources.files("netgrammar"))
    return _loaded(stored) if stored else compiled()


def compiled() -> Lark:
    """The grammar, compiled from its text."""
    return Lark.open_from_package("netgrammar", "net.lark", ("",), **_OPTIONS)


def digest(folder: Traversable) -> str:
    """What tables depend on: the text of the grammar, the options and the version of Lark."""
    texts = [folder.joinpath(name).read_bytes() for name in _SOURCES]
    return sha256(b"\0".join([lark.__version__.encode(), repr(_OPTIONS).encode(), *texts])).hexdigest()


def store(folder: Path) -> Path:
    """Write the tables into the folder of the grammar, unless they are there already."""
    path = folder / STORED
    if not _stored(folder):
        text = json.dumps({"digest": digest(folder), **_tables(compiled())}, separators=(",", ":"))
        written = path.with_suffix(f".{os.getpid()}.new")
        written.write_text(text, encoding="utf-8")
        written.replace(path)  # another process may be reading
    return path


def _stored(folder: Traversable) -> dict[str, Any] | None:
    """The tables stored in a folder, if they are those of its grammar."""
    try:
        stored: dict[str, Any] = json.loads(folder.joinpath(STORED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) and stored.get("digest") == digest(folder) else None


def _tables(parser: Lark) -> dict[str, Any]:
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    data["options"].update(import_paths=[], source_path="net.lark")
    return {"data": data, "memo": memo}


def _loaded(stored: dict[str, Any]) -> Lark:
    """The parser from tables read as JSON, whose keys are strings where Lark's are integers."""
    tables = stored["data"]["parser"]["parser"]
    tables["tokens"] = _by_number(tables["tokens"])
    tables["states"] = {int(state): _by_number(row) for state, row in tables["states"].items()}
    return Lark.load({"data": stored["data"], "memo": _by_number(stored["memo"])})


def _by_number(entries: Mapping[str, Any]) -> dict[int, Any]:
    return {int(key): value for key, value in entries.items()}


if __name__ == "__main__":
    store(Path(__file__).parent)
