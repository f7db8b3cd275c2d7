"""The `train` sections of the examples, as they are written: their gradients against PyTorch's.

In f32, as the files have it. Two engines that add in different orders then differ by some 1e-6 of a tensor's
largest gradient, and by more where a sum lies next to the kink of a relu: hence 1e-3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install netdsl[torch]")

from netdsl.checker import check  # noqa: E402
from netdsl.graph import build  # noqa: E402
from netdsl.model import Phase  # noqa: E402
from netruntime.engine.backends import open_device  # noqa: E402
from netruntime.engine.binding import bind_inputs  # noqa: E402
from netruntime.engine.loading import open_module  # noqa: E402
from netruntime.train.initial_weights import first_weights  # noqa: E402
from netruntime.train.phase import trainable  # noqa: E402
from netruntime.train.rows import label_specs  # noqa: E402
from netruntime.train.step import LossGraph  # noqa: E402
from netruntime.train.update.groups import trained_labels  # noqa: E402
from torch_graphs import TorchGraph  # noqa: E402
from zoo.examples import EXAMPLES  # noqa: E402
from zoo.small import varied  # noqa: E402

SECTIONS = [path.stem for path in sorted(EXAMPLES.glob("*.net")) if "\ntrain" in path.read_text("utf-8")]
SEED = 3
STEPS = 6
"""The length of every sequence."""


def batch_of(phase: Phase) -> dict[str, np.ndarray[Any, Any]]:
    """Three rows of each input: small numbers, labels that are classes, lengths that differ."""
    rng = np.random.default_rng(4)
    classes = {name: spec.classes for name, spec in label_specs([phase]).items() if spec.classes}
    classes["segment"] = 2
    found = {}
    for name, type_ in phase.model.inputs.items():
        free = {symbol: 3 if symbol == "B" else STEPS for size in type_.shape for symbol in size.symbols}
        shape = [size.evaluate(free) for size in type_.shape]
        if type_.dtype.is_float:
            found[name] = rng.uniform(0, 1, shape).astype(type_.dtype.numpy_name)
        elif type_.dtype.value == "bool":
            found[name] = np.ones(shape, bool)
        elif name == "length":
            found[name] = np.array([STEPS, 2, 4], type_.dtype.numpy_name)
        else:
            found[name] = rng.integers(0, min(classes.get(name, 5), 5), shape).astype(type_.dtype.numpy_name)
    return found


@pytest.mark.parametrize("name", SECTIONS)
def test_gradients_agree(name: str) -> None:
    for phase in check(open_module(EXAMPLES / f"{name}.net"), training=True).phases:
        weights = varied(first_weights([phase], SEED).arrays)
        labels = trained_labels(trainable(phase), phase.over, phase.freeze, phase.span)
        batch = batch_of(phase)
        device = open_device()
        there = {label: device.array(array) for label, array in weights.items()}
        ours = LossGraph(phase, device, labels).compute(batch, there, SEED)
        tensors = {label: torch.tensor(array) for label, array in weights.items()}
        leaves = {label: tensors[label].requires_grad_() for label in ours.gradients}
        _, sizes = bind_inputs(phase.model, batch, open_device())
        ran = TorchGraph(build(phase.model), sizes, SEED, ["loss"]).run(batch, tensors)
        np.testing.assert_allclose(float(ours.loss), ran.outputs["loss"].item(), rtol=1e-5)
        theirs = torch.autograd.grad(ran.outputs["loss"], list(leaves.values()))
        gradients = {label: device.numpy(array) for label, array in ours.gradients.items()}
        assert_agree(gradients, dict(zip(leaves, theirs, strict=True)))


def assert_agree(actual: dict[str, Any], expected: dict[str, Any]) -> None:
    """Equal to a thousandth of the largest of each tensor, or of the largest of all by a thousandth."""
    assert expected
    largest = max(grad.abs().max().item() for grad in expected.values())
    for label, grad in expected.items():
        scale = max(grad.abs().max().item(), 1e-3 * largest)
        difference = np.abs(actual[label] - grad.numpy()).max() / scale
        assert difference < 1e-3, f"{label} differs by {difference:.1e} of its largest gradient"
