"""Fixtures for the whole suite: the devices that array tests run on."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("COLUMNS", None)  # set in the workers of pytest-xdist; tables are as wide as it says


def _cupy() -> Any:
    try:
        import cupy
    except ImportError:
        pytest.skip("CuPy is not installed: pip install netdsl[cuda13]")
    if not cupy.cuda.is_available():
        pytest.skip("CuPy is installed, but there is no CUDA device")
    return cupy


@pytest.fixture(params=["cpu", "cuda"])
def xp(request: pytest.FixtureRequest) -> Any:
    """The array module of each device; `cuda` skips with a reason where there is none."""
    return np if request.param == "cpu" else _cupy()


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """The name of each device; `cuda` skips with a reason where there is none."""
    if request.param == "cuda":
        _cupy()
    return str(request.param)
