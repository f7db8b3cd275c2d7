"""Errors that a GPU finds late name the same place and value as those that a CPU finds at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netruntime.errors import DataInputError, TrainingError


def texts() -> dict[str, tuple[str, dict[str, Any]]]:
    ids = np.array([[0, 4], [7, -9]], np.int32)
    gather = "net 1.0\nmodel M(x: f32[5], ids: i32[B, T]) { return gather(x, ids + 0) }"
    first = "net 1.0\nmodel M(x: f32[5], ids: i32[B, T]) { return gather(x, ids) }"
    sum_of_two = "  a = gather(x, ids + 0)\n  return a + gather(x, ids + 1)\n"
    two = f"net 1.0\nmodel M(x: f32[5], ids: i32[B, T]) {{\n{sum_of_two}}}"
    hot = "net 1.0\nmodel M(x: f32[5], ids: i32[B, T]) { return one_hot(ids + 0, 5) }"
    ctc = "net 1.0\nmodel M(p: f32[B, T, 4], label: i32[B, S], n: i32[B]) { return ctc_loss(p, label, n) }"
    x = np.arange(5, dtype=np.float32)
    p = np.zeros((2, 6, 4), np.float32)
    right = np.array([[1, 2], [3, 1]])
    return {
        "an index computed on the device": (gather, {"x": x, "ids": ids}),
        "an index from the host": (first, {"x": x, "ids": ids}),
        "the first of two steps": (two, {"x": x, "ids": np.array([[4, 1]], np.int32)}),
        "one_hot": (hot, {"x": x, "ids": ids}),
        "a label": (ctc, {"p": p, "label": np.array([[1, 2], [3, 0]]), "n": np.array([6, 5])}),
        "a length": (ctc, {"p": p, "label": right, "n": np.array([6, 7])}),
        "a value too large for the input": (gather, {"x": x, "ids": np.array([[2**40]])}),
    }


@pytest.mark.parametrize("name", texts())
def test_messages_are_those_of_the_cpu(name: str, device: str) -> None:
    text, inputs = texts()[name]
    messages = {}
    for where in ("cpu", device):
        with pytest.raises(DataInputError) as caught:
            nr.load(text, device=where).run(inputs)
        (diagnostic,) = caught.value.diagnostics
        messages[where] = (diagnostic.code, diagnostic.message, diagnostic.span.start, diagnostic.span.end)
    assert len(set(messages.values())) == 1


@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_arrays_that_are_on_the_device_already(dtype: str, device: str) -> None:
    """Values that the element type of an input cannot hold; on a GPU they are found after the run."""
    kind, value = ("i32", 2**40) if dtype == "int64" else ("f16", 1e6)
    net = nr.load(f"net 1.0\nmodel M(x: {kind}[B]) {{ return x + x }}", device=device)
    array = net.device.array(np.array([1, value], dtype))
    with pytest.raises(DataInputError, match=r"holds (1 to 1099511627776|values up to 1e\+06)") as caught:
        net(x=array)
    assert caught.value.code == "E0851"
    np.testing.assert_array_equal(net.device.numpy(net(x=array[:1])), [2])


def test_the_first_operator_that_is_not_finite(device: str) -> None:
    text = "net 1.0\nmodel M(x: f32[B]) {\n  a = x + 1.0\n  b = log(a)\n  return b - b\n}"
    net = nr.load(text, device=device)
    with pytest.raises(DataInputError) as caught:
        net.run({"x": np.array([1.0, -2.0, -3.0, -1.0], np.float32)}, check_finite=True)
    assert caught.value.code == "E0821"
    assert "`log` made NaN values: 3 of 4 in [4]" in caught.value.diagnostics[0].message
    assert net.run({"x": np.ones(2, np.float32)}, check_finite=True)


def test_a_step_with_a_wrong_label_or_loss_changes_no_weight(device: str) -> None:
    text = """net 1.0
model M(x: f32[B, 3]) -> logits: f32[B, 4] { return log(x) -> fc: Linear(4) }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  optimizer = sgd(0.1)
  clip = norm(1.0)
}"""
    x, label = np.ones((4, 3), np.float32), np.array([0, 1, 2, 3], np.int32)
    with pytest.raises(DataInputError):
        nr.fit(text, {"x": x, "label": label + 9}, device=device, epochs=1, batch_size=4)
    with pytest.raises(TrainingError, match="loss is nan at step 1") as caught:
        nr.fit(text, {"x": -x, "label": label}, device=device, epochs=1, batch_size=4)
    assert caught.value.code == "E1071"
    assert nr.fit(text, {"x": x, "label": label}, device=device, epochs=1, batch_size=4).history


def test_an_input_that_does_not_fit_on_a_gpu(device: str) -> None:
    if device == "cpu":
        pytest.skip("is on the CPU already")
    net = nr.load("net 1.0\nmodel M(x: f32[B]) { return x + x }", device=device)
    needed = "`x` needs 40,000,000,000,000 bytes, which do not fit in memory: .* bytes are free on cuda:0"
    with pytest.raises(DataInputError, match=needed) as caught:
        net(x=np.broadcast_to(np.float32(0), (10**13,)))
    assert caught.value.code == "E0822"


def test_a_step_that_runs_out_of_memory_on_a_gpu(device: str) -> None:
    if device == "cpu":
        pytest.skip("a CPU may promise more memory than it has")
    text = "net 1.0\nmodel M(x: f32[B]) {\n  return zeros([1000000, 10000000]) + sum(x)\n}"
    with pytest.raises(DataInputError, match=r"need .* of memory, but .* are free") as caught:
        nr.load(text, device=device)(x=np.ones(2, np.float32))
    assert caught.value.code == "E0822" and caught.value.diagnostics[0].span is not None
