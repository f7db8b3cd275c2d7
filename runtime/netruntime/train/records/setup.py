"""What a run was started with, in its folder: the `.net` file, and its settings for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from netdsl.modules import Module
from netruntime.engine.loading import open_module
from netruntime.files.json_objects import json_text
from netruntime.files.overlap import is_read
from netruntime.files.run_folder import SETUP
from netruntime.readers.options import DEFAULT_OPTIONS
from netruntime.train.checkpoint.writing import write_text, writing
from netruntime.train.run import Run


def write_setup(run: Run, command: Sequence[str] = ()) -> None:
    """Write the `.net` file of a run, what it imports, and `config.json` into its folder.

    A resumed run leaves them; a `.net` file that is there already is kept.

    `command` is the command line that started the run. Without a folder, nothing is written. Raises
    `TrainingError` E1055 if a file cannot be written.
    """
    out = run.request.out
    if out is None or (run.request.resume and (out / SETUP).is_file()):
        return
    source = run.checked.phases[0].span.source
    name = Path(source.name).name if source.name.endswith(".net") else "model.net"
    texts = {name: source.text}
    if Path(source.name).is_file():
        texts |= _imported(open_module(source.name))
    for path, text in texts.items():
        if not is_read(out / path, [source.name]):
            with writing(out / path, len(text)):
                (out / path).parent.mkdir(parents=True, exist_ok=True)
            write_text(out / path, text)
    write_text(out / SETUP, json_text(_setup(run, name, command), indent=2) + "\n")


def _imported(module: Module) -> dict[str, str]:
    """The texts of all files that a module imports, by their paths below its folder."""
    texts: dict[str, str] = {}
    waiting = [*module.imports]
    while waiting:
        imported = waiting.pop()
        path = imported.source.name
        if path not in texts:
            texts[path] = imported.source.text
            waiting += imported.imports
    return texts


def _setup(run: Run, name: str, command: Sequence[str]) -> dict[str, Any]:
    request = run.request
    return {
        "file": name,
        "models": list(run.checked.models),
        "set": _plain(request.config),
        "train": _plain(request.overrides),
        "settings": _plain(asdict(run.settings)),
        "data": _paths(request.data),
        "valid": _paths(request.valid),
        "holdout": request.holdout,
        "reading": _reading(run),
        "augment": request.augment,
        "device": str(request.device),
        "weights": str(request.weights) if isinstance(request.weights, str | Path) else None,
        "command": list(command),
    }


def _reading(run: Run) -> dict[str, Any]:
    """The options of reading that differ from the default."""
    ours, usual = vars(run.request.options), vars(DEFAULT_OPTIONS)
    return _plain({name: value for name, value in ours.items() if value != usual[name]})


def _paths(spec: object) -> list[str]:
    parts = spec if isinstance(spec, list | tuple) else [spec]
    return [str(part) for part in parts if isinstance(part, str | Path)]


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that JSON has; others as text."""
    return {name: json.loads(json.dumps(value, default=str)) for name, value in values.items()}
