"""`load`: from a `.net` file, or its text, to a network that runs."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from netdsl.checker import check
from netdsl.diagnostics import error, suggest
from netdsl.graph import build
from netdsl.model import Checked
from netdsl.modules import Module, load_module, read_source
from netdsl.source import Source
from netruntime.arguments import check_names, check_path, check_seed
from netruntime.engine.backends import DeviceChoice, open_device
from netruntime.engine.network import Network
from netruntime.engine.weights import WeightSource, open_weights
from netruntime.errors import shown
from netruntime.native.options import EngineName, EngineOptions


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
        source: The path of a `.net` file, or its text (anything that contains a line break).
        weights: A safetensors or npz file, a folder of shards, or a mapping of arrays; None draws
            them from the seed.
        device: `cpu`, `cuda`, `cuda:1`, or `auto`.
        model: The name of the model, if the file has several.
        names: The `weights` map of the file to read by; selected automatically by default.
        seed: Seed of the random operators and, without `weights`, of the weights.
        engine: What computes on the CPU: `native`, `numpy`, or `auto`, the native engine if it was built.
        threads: The threads of the native engine; by default the cores that this process may use.
        exact: Leave out Winograd's convolution, which rounds more (relative error up to 2e-5).
        **config: Values for entries of the file's `config`.

    Raises:
        NetError: errors in the file, each with its location.
        WeightsError: weights that are damaged or do not fit.
        DeviceError: a device that cannot be used.
    """
    seed = check_seed(seed)
    check_names(model=model, names=names)
    checked = load_checked(source, **config)
    chosen = choose_model(checked, model)
    options = EngineOptions(engine, threads, exact)
    target = open_device(device if isinstance(device, DeviceChoice) else DeviceChoice(device, options))
    graph = build(checked.models[chosen])
    store = open_weights(graph, weights, checked.weights, names, seed)
    return Network(checked, checked.models[chosen], store, target, seed)


def load_checked(source: str | PathLike[str], **config: Any) -> Checked:
    """The checked file, from a path or from text. Raises `NetError` with all errors found."""
    return check(open_module(source), config)


def open_module(source: str | PathLike[str]) -> Module:
    """The file with its imports, not yet checked. Raises `NetError`: E0613 if it does not exist, E01xx."""
    check_path(source, "source")
    if isinstance(source, str) and "\n" in source:
        return load_module(Source("<text>", source))
    path = Path(source)
    if not _exists(path):
        near = (
            suggest(path.name, [p.name for p in path.parent.glob("*.net")]) if _exists(path.parent) else None
        )
        raise error("E0613", f"there is no file {shown(path)}", help=near)
    return load_module(read_source(path), path.parent)


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
