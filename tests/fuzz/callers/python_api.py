"""Wrong values for every argument of the public Python functions: the result is right, or a `NetError`."""

# ruff: noqa: C408, E501 (a table of calls)
from __future__ import annotations

import contextlib
import datetime
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import netruntime as nr

SHORT = 250
SECONDS = 10.0

MODEL = """net 1.0
config { width: int = 4 }
model M(x: f32[B, 4]) -> logits: f32[B, 3] { return x -> fc: Linear(width) -> out: Linear(3) }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
}
"""
TOKENS = """net 1.0
model W(ids: i32[B, T]) -> logits: f32[B, T, 5] { return ids -> embed: Embedding(5, 4) -> out: Linear(5) }
"""
SCALAR = """net 1.0
model L(x: f32[B, 4]) -> loss: f32[] { return x -> fc: Linear(3) -> mean }
"""
X, LABEL = np.ones((4, 4), np.float32), np.zeros(4, np.int32)


class Sub(np.ndarray):
    """An array of a class of its own, in which `*` is something else."""

    def __mul__(self, other: Any) -> Any:
        raise AssertionError("the class of an input must not decide what an operator means")


class Loud:
    """Like the arrays of other libraries: it refuses to become one of NumPy's."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("use tensor.detach().numpy() instead")


@cache
def values() -> list[Any]:
    """Odd values of all kinds."""
    return [
        *(None, "", " ", "x", "a\0b", "\ud800", b"x", -1, 0, 1, 3, 2**31, 2**70, 10**40, 1.5, -0.5),
        *(float("nan"), float("inf"), True, 1j, [], [1], [[1], [1, 2]], (), {}, {"x": 1}, {1: 2}, set()),
        *(np.float32(2), np.int64(-1), np.array(1), np.zeros(0), np.zeros((0, 4)), X.astype(">f4")),
        *(np.asfortranarray(X), X.view(Sub), np.matrix(X), np.ma.masked_array(X, mask=X > 0)),
        *(np.ma.masked_array(X), X.astype(complex), X.astype(str), X.astype(object), np.array([None])),
        *(np.array(["2020-01-01"], "M8[D]"), datetime.date(2020, 1, 1), Loud(), [Loud()], object(), print),
        *(
            np.matrix([[1, 2]]),
            np.array([1, 2]),
            Path("no/such"),
            range(3),
            iter([1]),
            np.full((4, 4), 2**60),
        ),
        *("out", "fc.weight", "label", "loss", "cpu", "cuda:99", "flip", {"x": X}, {"x": X, "label": LABEL}),
        *({"x": X, "label": LABEL * 1.5}, [{"x": X[0], "label": 1}], [{}], {"optimizer": "sgd(0.1)"}),
    ]


@cache
def networks() -> tuple[nr.Network, nr.Network]:
    return nr.load(MODEL), nr.load(TOKENS)


def calls(folder: Path) -> Mapping[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """The functions by name, with arguments that are right."""
    net, tokens = networks()
    data = {"x": X, "label": LABEL}
    return {
        "load": (nr.load, dict(source=MODEL, weights=None, device="cpu", model=None, names=None, seed=0, width=4)),
        "call": (net, {"x": X}),
        "run": (net.run, dict(inputs={"x": X}, seed=1, check_finite=True)),
        "tap": (lambda label: net.tap(label)(x=X), dict(label="fc")),
        "grad": (nr.load(SCALAR).grad, dict(loss="loss", wrt=["x"], recompute=[])),
        "vjp": (net.vjp, dict(value="out", wrt=["x"], direction="d")),
        "to": (net.to, dict(device="cpu")),
        "with_weights": (net.with_weights, dict(weights=dict(net.weights))),
        "save": (lambda path, names: net.save(_inside(folder, path), names), dict(path="w.npz", names=None)),
        "fit": (nr.fit, dict(source=MODEL, data=data, valid=None, holdout=0.0, out=None, epochs=1, batch_size=2,
                             accumulate=1, steps=1, seed=0, train=None, config=None, augment=None, weights=None,
                             ema=0.5, patience=1, save_every=1, names=None, device="cpu", resume=False,
                             options=None, watchers=(), note=_note, verbose=False)),
        "evaluate": (nr.evaluate, dict(source=MODEL, data=data, weights=None, holdout=0.0, batch_size=2, seed=0,
                                       names=None, device="cpu", train=None, config=None, augment=None,
                                       options=None, note=_note, advance=_note)),
        "generate": (nr.generate, dict(network=tokens, prompt=[1], inputs=None, max_new=2, min_new=0, stop=(),
                                       temperature=1.0, top_k=2, top_p=0.5, repetition_penalty=1.0, beams=1,
                                       length_penalty=0.0, seed=0, token_input=None, logits_output=None,
                                       cached=True, slide=False, stream=None)),
        "read_weights": (nr.read_weights, dict(path_or_mapping={"a": X})),
        "write_weights": (lambda path, **more: nr.write_weights(_inside(folder, path), **more),
                          dict(path="w.safetensors", arrays={"a": X}, metadata=None)),
    }  # fmt: skip


def _note(*_: object) -> None:
    """A function for notes, progress and streams."""


def _inside(folder: Path, path: Any) -> Any:
    """A path within the folder of a trial; whatever else it is stays as it is."""
    return folder / path if isinstance(path, (str, Path)) and str(path).strip() else path


def trial(random: Random) -> str:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), contextlib.chdir(folder):
        warnings.simplefilter("ignore")
        function, right = random.choice(list(calls(Path(folder)).values()))
        changed = {
            random.choice(list(right)): random.choice(values()) for _ in range(random.choice((1, 1, 1, 2)))
        }
        if any(
            isinstance(value, int) and value > 10**6 for name, value in changed.items() if name == "max_new"
        ):
            return "too long"  # as many tokens as are asked for, one after another
        try:
            function(**{**right, **changed})
            return "fine"
        except nr.NetError as refused:
            assert str(refused)
            return "refused"
        except Exception as wrong:
            wrong.add_note(f"{function} with {changed!r:.300}")
            raise
