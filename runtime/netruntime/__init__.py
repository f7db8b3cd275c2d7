"""The runtime of `.net` models: load, run, train and inspect them.

    import netruntime as nr
    net = nr.load("lenet5.net", weights="lenet5.safetensors")
    logits = net(image=x)
    result = nr.fit("lenet5.net", {"image": x, "label": y}, holdout=0.2, epochs=10)

Names are imported when first used, so that the command line starts without NumPy.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netdsl.diagnostics import NetError
    from netruntime.engine.loading import load
    from netruntime.engine.network import Network
    from netruntime.errors import (
        DataInputError,
        DataWarning,
        DeviceError,
        GenerationError,
        MissingExtraError,
        TrainingError,
        WeightsError,
    )
    from netruntime.generation import Generated, generate
    from netruntime.prediction import Predicted, predict
    from netruntime.train.api import Measured, Trained, evaluate, fit
    from netruntime.weight_files.weights import read_weights, write_weights

__all__ = [
    "DataInputError",
    "DataWarning",
    "DeviceError",
    "Generated",
    "GenerationError",
    "Measured",
    "MissingExtraError",
    "NetError",
    "Network",
    "Predicted",
    "Trained",
    "TrainingError",
    "WeightsError",
    "evaluate",
    "fit",
    "generate",
    "load",
    "predict",
    "read_weights",
    "write_weights",
]

_HOMES = {
    "Generated": "netruntime.generation",
    "Measured": "netruntime.train.api",
    "NetError": "netdsl.diagnostics",
    "Network": "netruntime.engine.network",
    "Predicted": "netruntime.prediction",
    "Trained": "netruntime.train.api",
    "evaluate": "netruntime.train.api",
    "fit": "netruntime.train.api",
    "generate": "netruntime.generation",
    "load": "netruntime.engine.loading",
    "predict": "netruntime.prediction",
    "read_weights": "netruntime.weight_files.weights",
    "write_weights": "netruntime.weight_files.weights",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("netdsl")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "netruntime.errors")), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__all__", "__doc__", "__name__", "__version__"])
