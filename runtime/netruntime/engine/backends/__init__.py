"""Where arrays live and which kernels run on them.

A backend is an array module with faster kernels for some operators. A step's kernel is looked up
once, when its plan is made: in the backend, then in its parent, then the operator's own `forward`.
"""

from netruntime.engine.backends.device import Device, open_device
from netruntime.engine.backends.registry import CPU, CUDA, Backend

__all__ = ["CPU", "CUDA", "Backend", "Device", "open_device"]
