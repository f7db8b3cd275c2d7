"""Devices, which hold arrays, and backends, which choose the kernels that run on them.

A backend is an array module with faster kernels for some operators. The kernel of a step is looked up
once, when its plan is made: in the backend, then in its parent, then the operator's `forward`.
"""

from netruntime.engine.backends.device import Device, DeviceChoice, open_device
from netruntime.engine.backends.registry import CPU, CUDA, Backend

__all__ = ["CPU", "CUDA", "Backend", "Device", "DeviceChoice", "open_device"]
