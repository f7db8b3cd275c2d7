"""What `netrun run examples/lenet5.net --input image=digit.png` does, as a script of PyTorch.

python benchmarks/startup_torch.py examples/data/digit-7.png examples/lenet5.safetensors
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file
from torch_networks import lenet5

picture, weights = sys.argv[1:]
model = lenet5().eval()
layers = [layer for layer in model if hasattr(layer, "weight")]
arrays = load_file(weights)
with torch.no_grad():
    for name, layer in zip(("conv1", "conv2", "fc1", "fc2", "fc3"), layers, strict=True):
        weight = arrays[f"{name}.weight"]
        layer.weight.copy_(torch.from_numpy(weight.T if weight.ndim == 2 else weight))
        layer.bias.copy_(torch.from_numpy(arrays[f"{name}.bias"]))
    pixels = np.asarray(Image.open(picture).convert("L").resize((28, 28)), np.float32) / 255
    scores = model(torch.from_numpy(pixels)[None, None]).softmax(-1)[0]
for share, digit in zip(*scores.topk(5), strict=True):
    print(int(digit), float(share))
