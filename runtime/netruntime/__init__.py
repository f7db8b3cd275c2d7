"""The runtime of `.net` models: load one, run it, look inside it.

import netruntime as nr
net = nr.load("lenet5.net", weights="lenet5.safetensors")
logits = net(image=x)
"""

from netdsl.diagnostics import NetError
from netruntime.errors import DataInputError, DeviceError, MissingExtraError, WeightsError
from netruntime.io.weights import read_weights, write_weights
from netruntime.loading import load
from netruntime.network import Network

__all__ = [
    "DataInputError",
    "DeviceError",
    "MissingExtraError",
    "NetError",
    "Network",
    "WeightsError",
    "load",
    "read_weights",
    "write_weights",
]
