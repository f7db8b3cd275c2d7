"""The folder of a training run, used in place of its `.net` file or its weights. Needs no NumPy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from netdsl.folders import refuse_endless

SETUP = "config.json"
BEST, LAST = "best.safetensors", "last.safetensors"


def setup_in(folder: Path) -> dict[str, Any]:
    """The `config.json` of a run; empty for another folder, and for what is not a folder."""
    try:
        refuse_endless(folder / SETUP)
        setup = json.loads((folder / SETUP).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return setup if isinstance(setup, dict) and isinstance(setup.get("file"), str) else {}


def file_of_run(path: Path) -> Path:
    """The `.net` file in the folder of a run; any other path as it is."""
    name = setup_in(path).get("file")
    return path / name if name and Path(name).name == name and (path / name).is_file() else path


def weights_of_run(path: Path) -> Path:
    """The best weights in the folder of a run, the last if none are the best; any other path as it is."""
    kept = [path / name for name in (BEST, LAST) if (path / name).is_file()]
    return kept[0] if kept and setup_in(path) else path


def start_of_run(folder: Path) -> str:
    """How a run was started, for the end of a message: its command, or from Python what it held out."""
    setup = setup_in(folder)
    command, holdout = setup.get("command"), setup.get("holdout")
    if isinstance(command, list) and command and all(isinstance(word, str) for word in command):
        return f", as in `{shlex.join(command)}`"
    return f", holdout={holdout} among them" if holdout else ""


def settings_of_run(folder: Path, file: Path) -> dict[str, str]:
    """The entries of `config` that a run of this file was started with; empty for a run of another file."""
    setup = setup_in(folder)
    entries = setup.get("set")
    if setup.get("file") != file.name or not isinstance(entries, dict):
        return {}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in entries.items()}


def settings_as_trained(
    source: str | PathLike[str], weights: object, config: Mapping[str, Any]
) -> dict[str, Any]:
    """The values for `config`, and for entries without one those that the weights were trained with.

    `source` is the path of a `.net` file, or its text, which is that of the run where it is the same.
    """
    if not isinstance(weights, str | PathLike):
        return dict(config)
    path = Path(weights)
    folder = path if setup_in(path) else path.parent
    return {**settings_of_run(folder, _name_in(folder, source)), **config}


def _name_in(folder: Path, source: str | PathLike[str]) -> Path:
    """The path of a source; for the text of the run in this folder, that of its file."""
    if not isinstance(source, str) or "\n" not in source:
        return Path(source)
    file = file_of_run(folder)
    try:
        return file if file != folder and file.read_text(encoding="utf-8") == source else Path()
    except (OSError, ValueError):
        return Path()
