"""`load`: from a `.net` file, or its text, to a network that runs."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from netdsl.checker import check
from netdsl.diagnostics import error, suggest
from netdsl.graph import expand
from netdsl.model import Checked
from netdsl.modules import Module, load_module, read_source
from netdsl.source import Source
from netruntime.arguments import check_mapping, check_names, check_path, check_seed
from netruntime.engine.backends import DeviceChoice, open_device
from netruntime.engine.network import Network
from netruntime.engine.weights import WeightSource, open_weights
from netruntime.errors import shown
from netruntime.files.run_folder import (
    file_of_run,
    settings_as_trained,
    settings_of_run,
    weights_of_run,
)
from netruntime.native.options import EngineName, EngineOptions

W = TypeVar("W")


def load(
    source: str | PathLike[str],
    weights: WeightSource | None = None,
    device: str | DeviceChoice = "cpu",
    *,
    model: str | None = None,
    names: str | None = None,
    seed: int = 0,
    engine: EngineName = "auto",
    threads: int | None = None,
    exact: bool = False,
    **config: Any,
) -> Network:
    """Load a model.

    Args:
        source: The path of a `.net` file, or its text (anything that contains a line break); or the folder of
            a run, whose file and best weights are then used.
        weights: A safetensors or npz file, a folder of shards or of a run, or a mapping of arrays; None draws
            them from the seed.
        device: `cpu`, `cuda`, `cuda:1`, or `auto`.
        model: The name of the model, if the file has several.
        names: The `weights` map of the file to read by; selected automatically by default.
        seed: Seed of the random operators and, without `weights`, of the weights.
        engine: What computes on the CPU: `native`, `numpy`, or `auto`, the native engine if it was built.
        threads: The threads of the native engine; by default the cores that this process may use.
        exact: Leave out Winograd's convolution, which rounds more (relative error up to 2e-5).
        **config: Values for entries of the file's `config`; the others are as in the run of this file that
            left the weights in its folder.

    Raises:
        NetError: errors in the file, each with its location.
        WeightsError: weights that are damaged or do not fit.
        DeviceError: a device that cannot be used.
    """
    seed = check_seed(seed)
    check_names(model=model, names=names)
    source, weights, config = opened_run(source, weights, config)
    checked = load_checked(source, **config)
    chosen = choose_model(checked, model)
    options = EngineOptions(engine, threads, exact)
    target = open_device(device if isinstance(device, DeviceChoice) else DeviceChoice(device, options))
    graph = expand(checked.models[chosen])
    store = open_weights(graph, weights, checked.weights, names, seed)
    return Network(checked, checked.models[chosen], store, target, seed)


def opened_run(
    source: str | PathLike[str], weights: W, config: Mapping[str, Any]
) -> tuple[str | PathLike[str], W | Path, dict[str, Any]]:
    """A source, its weights and its `config`, with what the folder of a run says of those left open.

    A run's folder as `source` is its `.net` file, with its best weights and its settings. Raises `NetError`
    E0870 for what is not a path.
    """
    check_path(source, "source")
    if isinstance(weights, str | PathLike):
        check_path(weights, "weights")
    check_mapping(config, "config")
    if _is_text(source):
        return source, weights, settings_as_trained(source, weights, config)
    folder = Path(source)
    file = file_of_run(folder)
    if file == folder:
        return source, weights, settings_as_trained(source, weights, config)
    used = weights_of_run(folder) if weights is None else weights
    own = {**settings_of_run(folder, file), **settings_as_trained(file, used, {})}
    return file, used, {**own, **config}


def load_checked(source: str | PathLike[str], **config: Any) -> Checked:
    """The checked file, from a path or from text. Raises `NetError` with all errors found."""
    return check(open_module(source), config)


def open_module(source: str | PathLike[str]) -> Module:
    """The file with its imports, not yet checked. Raises `NetError`: E0613 if it does not exist, E01xx."""
    source = file_of(source)
    if _is_text(source):
        return load_module(Source("<text>", str(source)))
    path = Path(source)
    if not _exists(path):
        near = (
            suggest(path.name, [p.name for p in path.parent.glob("*.net")]) if _exists(path.parent) else None
        )
        raise error("E0613", f"there is no file {shown(path)}", help=near)
    if path.is_dir():
        files = sorted(shown(file.name) for file in path.glob("*.net"))
        runs = sorted(shown(run.name) for run in path.glob("*") if file_of_run(run) != run)
        help = f"name a file in it: {', '.join(files[:5])}" if files else "give a .net file"
        help = help if files or not runs else f"name a run in it: {', '.join(runs[:5])}"
        raise error("E0613", f"{shown(path)} is a folder, and not that of a run", help=help)
    return load_module(read_source(path), path.parent)


def file_of(source: str | PathLike[str]) -> str | PathLike[str]:
    """A source, where the folder of a run is the `.net` file in it. Raises `NetError` E0870."""
    check_path(source, "source")
    return source if _is_text(source) else file_of_run(Path(source))


def _is_text(source: str | PathLike[str]) -> bool:
    return isinstance(source, str) and "\n" in source


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that the system refuses, such as a model's text on one line
        return False


def choose_model(checked: Checked, name: str | None) -> str:
    """The name of the requested model, or of the only one. Raises `NetError` E0861 if there is none."""
    models = list(checked.models)
    if name in checked.models:
        return str(name)
    if not models:
        raise error("E0861", "the file has no `model`", help="a block is run by a `model` that calls it")
    if name is not None:
        help = suggest(name, models) or f"it has {', '.join(models)}"
        raise error("E0861", f"the file has no model `{name}`", help=help)
    if len(models) > 1:
        help = f"name one: {' or '.join(f'model={model!r}' for model in models)}"
        raise error("E0861", f"the file has {len(models)} models: {', '.join(models)}", help=help)
    return models[0]
