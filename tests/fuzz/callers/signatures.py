"""Every argument that a public signature names, with wrong values: the result is right, or a `NetError`.

The arguments come from `inspect.signature`, so that a new one is tried as soon as it is there.
"""

# ruff: noqa: E501 (a table of values)
from __future__ import annotations

import contextlib
import inspect
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import netruntime as nr
from fuzz.callers.folder import fill
from fuzz.callers.python_api import LABEL, MODEL, SCALAR, TOKENS, X, values
from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.data import DataOptions, batches, open_data, split
from netruntime.profiling import profile

SHORT = 250
SECONDS = 10.0
DATA = {"x": X, "label": LABEL}
WANTED = {"x": tensor("f32", symbol("B"), 4), "label": tensor("i32", symbol("B"))}
BATCHES = {"epoch": 0, "seed": 0, "shuffle": True, "drop_last": False, "augment": None, "prefetch": 0}
ROWS_LEFT_OUT = {"max_new", "repeats"}
"""Arguments that ask for as much work as they say, and are therefore not made huge."""
NOT_CALLED = {
    "netruntime": {
        "Generated Measured Predicted Trained": "results: their makers are targets",
        "Network": "made by `load`; its methods are targets",
        "DataInputError DataWarning DeviceError GenerationError MissingExtraError NetError TrainingError "
        "WeightsError": "raised, and caught by callers",
    },
    "netruntime.data": {
        "Augment Codec ColumnInfo Dataset StreamDataset Subset": "results of functions that are targets",
        "Characters DataOptions DataSpec Sampler": "values that users write, checked by what takes them",
        "batch_count compare_classes cut_rows make_codec parse_augment": "called by the commands alone",
    },
    "netruntime.profiling": {
        "Part Profile": "results of `profile`",
        "profile_training": "takes a trainer, which the command makes",
    },
}
"""What the packages export and is no target, with the reason."""


@dataclass(frozen=True)
class Target:
    """A public function, and the arguments that a right call of it needs."""

    function: Callable[..., Any]
    right: Mapping[str, Any]

    @property
    def arguments(self) -> list[str]:
        """The names of its arguments, and those that `right` adds to a function of any keywords."""
        parameters = inspect.signature(self.function).parameters.values()
        named = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
        return [*named, *(name for name in self.right if name not in named)]

    def call(self, changed: Mapping[str, Any]) -> None:
        arguments = {**self.right, **changed}
        parameters = inspect.signature(self.function).parameters.values()
        several = [
            arguments.pop(p.name) for p in parameters if p.kind is p.VAR_POSITIONAL and p.name in arguments
        ]
        self.function(*several, **arguments)


@cache
def targets() -> Mapping[str, Target]:
    """Every function that `netruntime` exports, and every method of what they return, by name."""
    net, tokens, scalar = nr.load(MODEL), nr.load(TOKENS), nr.load(SCALAR)
    trained = nr.fit(MODEL, DATA, epochs=1, batch_size=2)
    rows = open_data(DATA, WANTED)
    result = {
        "load": Target(nr.load, {"source": MODEL, "width": 4}),
        "fit": Target(nr.fit, {"source": MODEL, "data": DATA, "epochs": 1, "batch_size": 2, "steps": 1}),
        "evaluate": Target(nr.evaluate, {"source": MODEL, "data": DATA}),
        "predict": Target(nr.predict, {"source": MODEL, "data": {"x": X}}),
        "generate": Target(nr.generate, {"network": tokens, "prompt": [1], "max_new": 2}),
        "read_weights": Target(nr.read_weights, {"path_or_mapping": "w.safetensors"}),
        "write_weights": Target(nr.write_weights, {"path": "o.safetensors", "arrays": {"a": X}}),
        "Network.__call__": Target(net, {"x": X}),
        "Network.run": Target(net.run, {"inputs": {"x": X}}),
        "Network.plan": Target(net.plan, {"sizes": {"B": 2}}),
        "Network.tap": Target(net.tap, {"labels": "fc"}),
        "Network.grad": Target(scalar.grad, {"loss": "loss", "wrt": ["x"]}),
        "Network.vjp": Target(net.vjp, {"value": "out", "wrt": ["x"]}),
        "Network.to": Target(net.to, {"device": "cpu"}),
        "Network.with_weights": Target(net.with_weights, {"weights": dict(net.weights)}),
        "Network.save": Target(net.save, {"path": "o.npz"}),
        "Network.summary": Target(net.summary, {}),
        "Trained.network": Target(trained.network, {}),
        "profile": Target(profile, {"network": net, "inputs": {"x": X}, "repeats": 1}),
        "open_data": Target(open_data, {"spec": DATA, "wanted": WANTED, "options": DataOptions()}),
        "split": Target(split, {"dataset": rows, "fraction": 0.5, "seed": 0}),
        "batches": Target(_all_batches, {"dataset": rows, "batch_size": 2, **BATCHES}),
    }
    return result


def _all_batches(dataset: Any, batch_size: Any, **options: Any) -> None:
    """`batches`, read to the end."""
    for _ in batches(dataset, batch_size, **options):
        pass


@cache
def wrong_values() -> list[Any]:
    """Those of the other campaign of Python calls, and ones that only the file system makes."""
    closed = io.BytesIO()
    closed.close()
    return [
        *values(),
        *(closed, io.BytesIO(b"x"), io.StringIO("net 1.0"), Path(), ".", "..", "/dev/null", "/dev/full"),
        *("m.net", "d.csv", "missing.npz", "w.safetensors", "run", Path("run"), "\n", "x" * 5000, "é", "net 1.0"),
        *(X.astype(np.float64), X.T[:, ::-1], X[0], X[None], X * np.nan, X > 0, X.astype(np.int8)),
        *(np.array([{}], object), [None], (None,), {None: None}, {"": 1}, {"x": None}, {"x": {}}, {"x": "d.csv"}),
        *({"x": np.zeros((0, 4), np.float32)}, [X], (X, LABEL), {"B": -1}, {"B": 2**40}, {"B": 1.5}, {"B": None}),
        *(-(2**70), 5e-324, 1e308, -0.0, -float("inf"), complex("nan"), NotImplemented, ..., nr),
        *(bytearray(b"x"), memoryview(b"x"), frozenset({1}), slice(1), range(0), lambda *_: None, [[]]),
        *(Exception("x"), nr.load, ["a", 1], ["fc", "fc"], {"fc.weight": 1}, {"fc.weight": X}, {"width": 10**30}),
    ]  # fmt: skip


def trial(random: Random) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        name, target = random.choice(list(targets().items()))
        value = random.choice(wrong_values())
    return attempt(name, random.choice(target.arguments or [""]), value)


def attempt(name: str, argument: str, value: Any) -> str:
    """What a call of a target with one wrong value came to."""
    if argument in ROWS_LEFT_OUT and isinstance(value, int) and value > 10**6:
        return "too long"
    with _in_a_folder(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            targets()[name].call({argument: value} if argument else {})
            return "fine"
        except nr.NetError as refused:
            assert str(refused)
            return "refused"
        except Exception as wrong:
            wrong.add_note(f"{name}({argument}={value!r:.300})")
            raise


@contextlib.contextmanager
def _in_a_folder() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        fill(Path(folder))
        yield
