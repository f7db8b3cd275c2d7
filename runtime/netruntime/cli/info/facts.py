"""What a machine has for netdsl: versions, the engine of the CPU, devices, and optional packages."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from netruntime.engine.backends import open_device
from netruntime.errors import DeviceError
from netruntime.native.library import missing_reason
from netruntime.native.options import EngineOptions

EXTRAS = {
    "image": "pillow",
    "text": "tokenizers",
    "bf16": "ml-dtypes",
    "parquet": "pyarrow",
    "tensorboard": "tensorboardX",
    "plots": "matplotlib",
}
"""The package of each extra that a user may install, except CuPy, which is a device."""


def facts() -> dict[str, Any]:
    """Everything that `netrun info` shows, as it is in JSON."""
    return {
        "netdsl": version_of("netdsl"),
        "python": {"version": platform.python_version(), "path": sys.executable},
        "platform": {"system": platform.system(), "machine": platform.machine()},
        "numpy": {"version": np.__version__, "blas": blas()},
        "engine": engine(),
        "devices": {"cpu": None, **cuda()},
        "packages": {package: version_of(package) for package in EXTRAS.values()},
    }


def version_of(package: str) -> str | None:
    """The version of an installed package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def blas() -> str | None:
    """The library of NumPy's matrix products, with its version, if NumPy was built to know it."""
    built = np.show_config(mode="dicts")
    entry = built.get("Build Dependencies", {}).get("blas", {}) if isinstance(built, dict) else {}
    words = [str(entry.get(key) or "") for key in ("name", "version")]
    return " ".join(word for word in words if word and word != "unknown") or None


def engine() -> dict[str, Any]:
    """What computes on the CPU: the native engine with its instruction set and threads, or why it does not.

    The name is None where the environment asks for an instruction set that no run can have.
    """
    options = EngineOptions()
    try:
        library = options.library()
    except DeviceError as refused:
        return {"name": None, "reason": refused.diagnostics[0].message}
    if library is None:
        return {"name": "numpy", "reason": missing_reason()}
    return {"name": "native", "instruction_set": library.isa, "threads": options.thread_count()()}


def cuda() -> dict[str, str | None]:
    """The CUDA devices by name with what CuPy calls them, or `cuda` with the reason why there are none."""
    try:
        first = open_device("cuda")
        runtime = first.xp.cuda.runtime
        count = runtime.getDeviceCount()
        names = [runtime.getDeviceProperties(n)["name"] for n in range(count)]
    except DeviceError as missing:
        return {"cuda": missing.diagnostics[0].message}
    return {
        f"cuda:{n}": name.decode() if isinstance(name, bytes) else str(name) for n, name in enumerate(names)
    }
