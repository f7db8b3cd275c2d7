"""Opening the `.net` files that a command line names, and standard input, without NumPy."""

from __future__ import annotations

import gc
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.diagnostics import error, suggest
from netdsl.source import Source
from netruntime.cli.common.failures import file_error, usage_error
from netruntime.cli.common.output import note
from netruntime.errors import shown
from netruntime.files import run_folder

if TYPE_CHECKING:
    from netdsl.model import Checked, Model


STDIN = Path("-")
"""What a command line writes for standard input."""


def open_text(path: Path) -> Source:
    """The text of a file, or of standard input for `-`, of which no more is read than the limit.

    Raises what those two raise; E0601 for text that is too long.
    """
    from netdsl.parsing.layout import MAX_SOURCE_BYTES

    return Source("<stdin>", read_standard_text(MAX_SOURCE_BYTES)) if path == STDIN else open_source(path)


def open_source(path: Path) -> Source:
    """The text of a file. Raises `FileAccessError` E0940 or, if it is not text, `NetError` E0613."""
    from netdsl.folders import refuse_endless
    from netdsl.modules import read_source

    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise file_error("E0940", f"there is no file {shown(path)}", _nearest(path)) from None
    except (OSError, ValueError) as reason:
        words = getattr(reason, "strerror", None) or reason
        raise file_error("E0940", f"{shown(path)} cannot be read: {words}") from None
    if stat.S_ISDIR(mode):
        files = sorted(shown(p.name) for p in path.glob("*.net"))
        help = f"name a file in it: {', '.join(files[:5])}" if files else "give a .net file"
        raise file_error("E0940", f"{shown(path)} is a folder", help)
    try:
        refuse_endless(path)
    except OSError as reason:
        message = f"{shown(path)} cannot be read: {reason.strerror}"
        raise file_error("E0940", message, "give a .net file, or `-` for standard input") from None
    return read_source(path)


def read_standard_text(most: int | None = None) -> str:
    """Standard input as text.

    Raises:
        FileAccessError: E0940 if it is closed, E0942 if it is not UTF-8.
        NetError: E0601 if it has more bytes than `most`.
    """
    try:
        data = sys.stdin.buffer.read() if most is None else sys.stdin.buffer.read(most + 1)
        if most is not None and len(data) > most:
            message = f"standard input is longer than the limit of {most:,} bytes"
            raise error("E0601", message, help="split the network into blocks and `import` them")
        return data.decode("utf-8-sig")
    except OSError as reason:
        message = f"standard input cannot be read: {reason.strerror or reason}"
        raise file_error("E0940", message, "name a file, or send the data through a pipe") from None
    except UnicodeDecodeError as wrong:
        raise file_error("E0942", f"standard input is not UTF-8 text: byte {wrong.start}") from None


def open_checked(path: Path, settings: Mapping[str, str]) -> Checked:
    """Check a file, or standard input for `-`, with values for its `config`. Raises `NetError`."""
    with uncollected():
        return check_source(open_text(path), path, settings)


def check_source(source: Source, path: Path, settings: Mapping[str, str]) -> Checked:
    """Check a text as that of a file, beside which its imports are. Raises `NetError`."""
    from netdsl.checker import check
    from netdsl.modules import load_module

    return check(load_module(source, path.parent), settings)


@contextmanager
def uncollected() -> Iterator[None]:
    """Disable the garbage collector inside, and exempt the objects created there, which stay in use."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()


def pick_model(checked: Checked, name: str | None) -> Model:
    """The model of that name, or the only one. Raises `NetError` E0861 if that is ambiguous."""
    from netruntime.engine.loading import choose_model

    models = list(checked.models)
    if name is None and len(models) > 1:
        help = f"name one: {' or '.join(f'--model {model}' for model in models)}"
        raise error("E0861", f"the file has {len(models)} models: {', '.join(models)}", help=help)
    return checked.models[choose_model(checked, name)]


def pick_models(checked: Checked, name: str | None) -> list[Model]:
    """The model of that name, or all of the file. Raises `NetError` E0861 if there is none."""
    if name is None and len(checked.models) > 1:
        return list(checked.models.values())
    return [pick_model(checked, name)]


def weights_for(file: Path, option: str | None) -> str | None:
    """The weights that a command reads: those of the option, else `lenet5.safetensors` beside `lenet5.net`.

    In the folder of a run of this file those of its best epoch are read. `random` means none: the weights
    are then drawn from the seed.
    """
    if option is not None:
        return None if option == "random" else str(run_folder.weights_of_run(Path(option)))
    if not file.name:  # the folder `.`, which is reported where the file is opened
        return None
    beside = file.with_suffix(".safetensors")
    if beside.is_file():
        return str(beside)
    is_of_run = run_folder.setup_in(file.parent).get("file") == file.name
    best = file.with_name(run_folder.BEST)
    return str(best) if is_of_run and best.is_file() else None


def settings_as_trained(
    file: Path, option: str | None, settings: Mapping[str, str], quiet: bool
) -> dict[str, str]:
    """The settings of a command, and those that its weights were trained with, which a note lists."""
    weights = weights_for(file, option)
    if weights is None:
        return dict(settings)
    trained = run_folder.settings_as_trained(file, weights, {})
    missing = {name: value for name, value in trained.items() if name not in settings}
    if missing and not quiet:
        words = " ".join(f"--set {name}={value}" for name, value in missing.items())
        note(f"using {words}, as in the training of these weights")
    return {**missing, **settings}


def check_size_names(model: Model, sizes: Mapping[str, int]) -> None:
    """Raise `CommandLineError` E0924 for a size that the model does not have."""
    known = sorted({symbol for type_ in model.inputs.values() for d in type_.shape for symbol in d.symbols})
    for name in sizes:
        if name not in known:
            help = suggest(name, known) or (
                f"it has {', '.join(known)}" if known else "all its sizes are fixed"
            )
            raise usage_error("E0924", f"`{model.name}` has no free size {shown(name)}", help)


def _nearest(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.glob("*.net")]
    except OSError:
        names = []
    near = suggest(path.name, names)
    if path.suffix == ".net" and near:
        return near
    if f"{path.name}.net" in names:
        return f"did you mean `{path.with_name(f'{path.name}.net')}`?"
    return near or "give the path of a .net file: `netrun init` writes one, and the repository has examples/"
