"""What training, generation, reading and converting need, compared with memory before it is taken."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime import memory
from netruntime.readers.formats.idx import read_idx_array
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input

MIB = 2**20
WIDTH = 1024
"""Of a square weight of 4 MiB in f32."""

TRAIN = """net 1.0
model M(x: f32[B, 1024]) -> y: f32[B, 1024] {{ return x -> fc: Linear(1024, bias=false) }}
train {{
  loss = mean(y)
  optimizer = {optimizer}
}}
"""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes of a MiB are compared."""
    monkeypatch.setattr(memory, "SMALL", MIB)


def free(monkeypatch: pytest.MonkeyPatch, *figures: int) -> None:
    """The next looks at the free memory give these figures, the last one over and over."""
    rest = list(figures)
    monkeypatch.setattr(memory, "free_memory", lambda: rest.pop(0) if len(rest) > 1 else rest[0])


def fit(optimizer: str, **settings: Any) -> nr.Trained:
    x = np.ones((2, WIDTH), np.float32)
    return nr.fit(TRAIN.format(optimizer=optimizer), {"x": x}, epochs=1, batch_size=2, **settings)


def refused(words: str, code: str = "E0727") -> Any:
    return pytest.raises(nr.NetError, match=rf"(?s){code}.*{words}")


def test_weights_that_training_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 3 * MIB)
    with refused(r"the weights need 4\.0 MiB of memory, but 3\.0 MiB are free; the largest: `fc\.weight`"):
        fit("sgd(0.1)")


def test_the_copy_that_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 64 * MIB, 3 * MIB)
    with refused(
        r"copy of the weights for training needs 4\.0 MiB of memory, but 3\.0 MiB are free", "E0822"
    ):
        fit("sgd(0.1)")


def test_the_average(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 64 * MIB, 64 * MIB, 3 * MIB)
    with refused(r"average of the weights needs 4\.0 MiB of memory, but 3\.0 MiB are free", "E0822"):
        fit("sgd(0.1)", ema=0.9)


def test_the_state_of_an_optimizer_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam keeps two arrays for a weight: 8 MiB. SGD keeps none."""
    free(monkeypatch, 64 * MIB, 64 * MIB, 7 * MIB)
    with refused(r"`adam` keeps of each weight needs 8\.0 MiB of memory, but 7\.0 MiB are free", "E0822"):
        fit("adam(0.001)")
    free(monkeypatch, 64 * MIB, 64 * MIB, 7 * MIB)
    assert fit("sgd(0.1)").step == 1


def test_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 64 * MIB, 64 * MIB, 3 * MIB)
    with refused(r"the values of this run need 4\.\d MiB of memory, but 3\.0 MiB are free", "E0822"):
        fit("sgd(0.1)")


def test_slots_are_taken_at_once() -> None:
    """The figure of what is free is then right for the values of the first step."""
    from netruntime.train.update.optimizers import make_optimizer

    adam, weight = make_optimizer("adam", {}), np.ones((64, 64), np.float16)
    slots = adam.init(np, weight)
    assert sum(slot.nbytes for slot in slots.values()) == adam.slot_bytes(np, weight) == 3 * 4 * 64 * 64


def test_weights_that_are_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TRAIN.format(optimizer="sgd(0.1)")
    same, other = tmp_path / "same.safetensors", tmp_path / "other.safetensors"
    nr.write_weights(same, {"fc.weight": np.ones((WIDTH, WIDTH), np.float32)})
    nr.write_weights(other, {"fc.weight": np.ones((WIDTH, WIDTH), np.float16)})
    free(monkeypatch, 3 * MIB)
    words = r"converting weights of .*other.* from f16 to f32 needs 4\.0 MiB of memory, but 3\.0 MiB are free"
    with refused(words):
        nr.load(text, other)
    assert nr.load(text, same).weights["fc.weight"].shape == (WIDTH, WIDTH)  # mapped, not copied


DECODER = """net 1.0
model M(ids: i32[B, T]) -> logits: f32[B, T, 8] {
  return ids -> embed: Embedding(8, 64) -> attn: MultiHeadAttention(2, causal=true) -> out: Linear(8)
}
"""


def test_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nr.load(DECODER)
    net(ids=[[1, 2]])
    free(monkeypatch, MIB)
    words = (
        r"the caches of 4,097 positions need 2\.\d MiB of memory, but 1\.0 MiB are free; the largest: `attn"
    )
    with refused(words, "E0822"):
        nr.generate(net, [1, 2], max_new=4096)
    assert len(nr.generate(net, [1, 2], max_new=8).ids[0]) == 8  # fewer tokens


def test_caches_of_tokens_that_may_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stop token nobody knows how many there will be, so that nothing is refused beforehand."""
    free(monkeypatch, MIB)
    net = nr.load(DECODER)
    stopped = nr.generate(net, [1, 2], max_new=4096, stop=range(8))
    assert stopped.stopped == (True,)


def test_bytes_that_become_floats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.ones((WIDTH, WIDTH), np.uint8))
    wanted = InputSpec("x", tensor("f32", symbol("B"), WIDTH))
    free(monkeypatch, 3 * MIB)
    words = r"x\.npy`, u8\[1024, 1024\], needs 4\.0 MiB of memory as f32, but 3\.0 MiB are free"
    with refused(words, "E0822"):
        read_input(str(path), wanted)
    assert read_input(str(path), InputSpec("x", tensor("u8", symbol("B"), WIDTH))).dtype == np.uint8


def test_arrays_that_are_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nr.load("net 1.0\nmodel M(x: f32[B, 1024]) -> y: f32[B, 512] { return x[:, :512] }\n")
    free(monkeypatch, 3 * MIB)
    words = r"the input `x`, f64\[1024, 1024\], needs 4\.0 MiB of memory as f32, but 3\.0 MiB are free"
    with refused(words, "E0822"):
        net(x=np.ones((WIDTH, WIDTH)))
    assert net(x=np.ones((WIDTH, WIDTH), np.float32)).shape == (WIDTH, 512)


def test_what_a_small_file_unpacks_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t-images-idx3-ubyte.gz"
    content = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (4, WIDTH, WIDTH)) + bytes(4 * MIB)
    path.write_bytes(gzip.compress(content))
    free(monkeypatch, 3 * MIB)
    words = r"unpacks to 4\.0 MiB for \[4, 1024, 1024\], but 3\.0 MiB are free.*gunzip"
    with refused(words, "E0822"):
        read_idx_array(path)
    plain = path.with_suffix("")
    plain.write_bytes(content)
    assert read_idx_array(plain).shape == (4, WIDTH, WIDTH)


def test_weights_of_a_compressed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.npz"
    np.savez_compressed(path, a=np.zeros((WIDTH, WIDTH), np.float32))
    assert path.stat().st_size < MIB
    free(monkeypatch, 3 * MIB)
    with refused(r"array `a`: \[1024, 1024\] of float32 is 4\.0 MiB, which does not fit in memory", "E0707"):
        nr.read_weights(path)
