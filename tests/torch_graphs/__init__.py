"""Computation graphs run by PyTorch, operator by operator: the other engine.

Each operator is one function of PyTorch, named in one table (`operators`). The gradients are then those of
`torch.autograd` alone: nothing of ours takes part in them.
"""

from torch_graphs.graph import Ran, TorchGraph

__all__ = ["Ran", "TorchGraph"]
