"""Finds and loads the kit that runs the real CuPy on a machine without a GPU.

The kit is an external folder: the environment variable `KIT` names it, else it is `../shared/cuda-on-cpu`
beside the checkout. Compiled kernels are kept in `.cuda-emulated`, or where `CUDA_ON_CPU_CACHE` says.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KIT = Path(os.environ.get("KIT") or ROOT.parent / "shared" / "cuda-on-cpu").resolve()
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
    tools = [tool for tool in ("gcc", "g++", "nm") if shutil.which(tool) is None]
    if tools:
        return f"{', '.join(tools)} not found: install g++ and binutils"
    absent = [name for name in MODULES if not _is_installed(name)]
    if absent or not _headers():
        lacking = ", ".join(absent) or "the headers of CUDA"
        return f"{lacking} not installed: pip install --no-deps {' '.join(WHEELS)}"
    return None


def environment() -> dict[str, str]:
    """The environment in which `import cuda_on_cpu` works, with the cache of compiled kernels."""
    os.environ.setdefault("CUDA_ON_CPU_CACHE", str(ROOT / ".cuda-emulated"))
    path = os.pathsep.join(filter(None, [str(KIT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def load() -> Any:
    """The kit's module, with the emulated device in place of a GPU. Exits if something is missing."""
    reason = missing()
    if reason is not None:
        sys.exit(reason)
    environment()
    if str(KIT) not in sys.path:
        sys.path.insert(0, str(KIT))
    import cuda_on_cpu

    cuda_on_cpu.install()
    return cuda_on_cpu


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _headers() -> bool:
    nvidia = importlib.util.find_spec("nvidia")
    folders = (nvidia.submodule_search_locations or []) if nvidia else []
    return any(True for folder in folders for _ in Path(folder).glob("cu*/include/cuda_runtime_api.h"))
