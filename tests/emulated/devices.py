"""The device that the tests of CUDA run on: a GPU, or the emulated one of the kit.

`run.py` sets `NETDSL_CUDA` for the processes it starts; without it there is no device for these tests.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from emulated import kit

VARIABLE = "NETDSL_CUDA"


@dataclass(frozen=True)
class Provider:
    """Where a device comes from.

    Args:
        missing: What must be installed before there is a device; None if nothing is missing.
        environment: The environment in which CuPy has the device within pytest.
        commands: The environment in which other commands of Python have it.
        load: Gives this process the device.
        plugin: What pytest needs to have the device.
        workers: How many processes of pytest share it.
    """

    name: str
    missing: Callable[[], str | None]
    environment: Callable[[], dict[str, str]]
    commands: Callable[[], dict[str, str]]
    load: Callable[[], object]
    plugin: tuple[str, ...] = ()
    workers: int = 2


def chosen() -> Provider | None:
    """The provider that `NETDSL_CUDA` names."""
    return PROVIDERS.get(os.environ.get(VARIABLE, ""))


def load() -> None:
    """Give this process the device that `NETDSL_CUDA` names, the emulated one by default."""
    (chosen() or EMULATED).load()


def no_gpu() -> str | None:
    """Why there is no GPU to run on; None if there is one."""
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed: pip install netdsl[cuda13]"
    return None if cupy.cuda.is_available() else "CuPy is installed, but there is no CUDA device"


def _load_gpu() -> None:
    reason = no_gpu()
    if reason is not None:
        sys.exit(reason)


def _emulated_commands() -> dict[str, str]:
    environment = kit.environment()
    path = os.pathsep.join([str(kit.KIT / "site"), environment["PYTHONPATH"]])
    return {**environment, "PYTHONPATH": path, "CUDA_ON_CPU": "1"}


def _unchanged() -> dict[str, str]:
    return dict(os.environ)


EMULATED = Provider(
    "emulated", kit.missing, kit.environment, _emulated_commands, kit.load, ("-p", "cuda_on_cpu.plugin")
)
REAL = Provider("real", no_gpu, _unchanged, _unchanged, _load_gpu, workers=min(8, os.cpu_count() or 1))
PROVIDERS = {provider.name: provider for provider in (EMULATED, REAL)}
