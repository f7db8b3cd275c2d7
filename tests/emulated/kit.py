"""Finds and loads the kit that runs the real CuPy on a machine without a GPU.

The kit is an external folder: the environment variable `KIT` names it, else it is `../shared/cuda-on-cpu`
beside the checkout. Compiled kernels are kept in `.cuda-emulated`, or where `CUDA_ON_CPU_CACHE` says, and the
wheels in `.cuda-emulated/wheels`: with CuPy in `.venv`, other tests would look for a device.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KIT = Path(os.environ.get("KIT") or ROOT.parent / "shared" / "cuda-on-cpu").resolve()
FOLDER = ROOT / ".cuda-emulated" / "wheels"
"""Where `make cuda-emulated` installs them."""
WHEELS = (
    "cupy-cuda13x",
    "cuda-pathfinder",
    "fastrlock",
    "ml_dtypes",
    "nvidia-cuda-nvrtc",
    "nvidia-cuda-runtime",
    "nvidia-cuda-crt",
)
"""What the kit needs from PyPI, installed with `--no-deps`."""
MODULES = ("cupy", "cuda.pathfinder", "fastrlock", "ml_dtypes", "nvidia")


def missing() -> str | None:
    """What must be installed or set before the kit can run; None if nothing is missing."""
    if not (KIT / "cuda_on_cpu" / "__init__.py").is_file():
        return f"there is no kit at {KIT}: set KIT=... to the folder that holds `cuda_on_cpu`"
    _add(str(FOLDER))
    tools = [tool for tool in ("gcc", "g++", "nm") if shutil.which(tool) is None]
    if tools:
        return f"{', '.join(tools)} not found: install g++ and binutils"
    absent = [name for name in MODULES if not _is_installed(name)]
    if absent or not _headers():
        lacking = ", ".join(absent) or "the headers of CUDA"
        return f"{lacking} not installed: pip install --no-deps --target {FOLDER} {' '.join(WHEELS)}"
    return None


def environment() -> dict[str, str]:
    """The environment in which `import cuda_on_cpu` works, with the cache of compiled kernels."""
    os.environ.setdefault("CUDA_ON_CPU_CACHE", str(ROOT / ".cuda-emulated"))
    libraries = map(str, FOLDER.glob("nvidia/cu*/lib"))
    return {
        **os.environ,
        "PYTHONPATH": _joined(str(KIT), str(FOLDER), os.environ.get("PYTHONPATH", "")),
        "LD_LIBRARY_PATH": _joined(*libraries, os.environ.get("LD_LIBRARY_PATH", "")),
    }


def load() -> Any:
    """The kit's module, with the emulated device in place of a GPU. Exits if something is missing."""
    reason = missing()
    if reason is not None:
        sys.exit(reason)
    environment()
    _add(str(KIT))
    for library in FOLDER.glob("nvidia/cu*/lib/libnvrtc.so.*"):
        ctypes.CDLL(str(library))  # CuPy looks in the folders of .venv, and for what is loaded already
    import cuda_on_cpu

    cuda_on_cpu.install()
    return cuda_on_cpu


def _joined(*paths: str) -> str:
    return os.pathsep.join(filter(None, paths))


def _add(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _headers() -> bool:
    nvidia = importlib.util.find_spec("nvidia")
    folders = (nvidia.submodule_search_locations or []) if nvidia else []
    return any(True for folder in folders for _ in Path(folder).glob("cu*/include/cuda_runtime_api.h"))
