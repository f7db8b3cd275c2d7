"""The runs whose launches and waits are counted: inference, training steps, generated tokens; all small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import netruntime as nr
from zoo.small import CASES, Case
from zoo.training import training_networks

SETTINGS = "  optimizer = adamw(0.001)\n  clip = norm(1.0)"
EXAMPLES = training_networks.GOLDEN.parents[2] / "examples"


@dataclass(frozen=True)
class Load:
    """One kind of work on one network: `more` does `extra` units of it more than `less`."""

    kind: str
    name: str
    less: Callable[[], object]
    more: Callable[[], object]
    extra: int


def loads(names: str = "") -> Iterator[Load]:
    """Every load whose kind and name contain `names`, made when it is its turn."""
    for kind, name, make in _all():
        if names in f"{kind} {name}":
            yield make(kind, name)


def _all() -> Iterator[tuple[str, str, Callable[[str, str], Load]]]:
    for case in CASES:
        yield "inference", f"{case.file}/{case.model}", _inference(case)
    for case in CASES:
        yield "training step", f"{case.file}/{case.model}", _training(case)
    for optimizer in ("sgd(0.1, momentum=0.9)", "lamb(0.001)", "lion(0.001)"):
        yield "training step", f"lenet5/{optimizer}", _training(_case("lenet5"), f"  optimizer = {optimizer}")
    measured = "\n".join(
        f"  metric {name} = {name}(logits, label)" for name in ("accuracy", "f1", "perplexity")
    )
    yield "training step", "lenet5/metrics", _training(_case("lenet5"), measured)
    for name, config, inputs in GENERATED:
        yield "token", name, _generation(name, config, inputs)
    yield "token", "char_gpt/beams", _generation("char_gpt", {}, {}, beams=3)


GENERATED: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
    ("char_gpt", {}, {}),
    ("char_lstm", {}, {}),
    ("gpt2", {"vocab": 60, "dim": 32, "depth": 3, "heads": 4, "positions": 40}, {}),
    (
        "transformer",
        {"vocab": 60, "dim": 32, "depth": 2, "heads": 4, "ff": 64},
        {"src": np.array([[1, 2, 3, 4, 5]])},
    ),
]


def _case(file: str) -> Case:
    return next(case for case in CASES if case.file == file)


def _inference(case: Case) -> Callable[[str, str], Load]:
    def make(kind: str, name: str) -> Load:
        net = nr.load(case.text(), model=case.model, device="cuda", **case.config)
        inputs = case.inputs(np.random.default_rng(3), "float32")
        net.run(inputs)
        return Load(kind, name, lambda: None, lambda: net.run(inputs), 1)

    return make


def _training(case: Case, settings: str = SETTINGS) -> Callable[[str, str], Load]:
    def make(kind: str, name: str) -> Load:
        text, batch = case.training_text(settings), case.batch()
        rows = min(len(array) for array in batch.values())
        data = {key: np.concatenate([array] * 8) for key, array in batch.items()}

        def fit(steps: int) -> None:
            nr.fit(text, data, device="cuda", config=case.config, epochs=1, batch_size=rows, steps=steps)

        fit(2)
        return Load(kind, name, lambda: fit(2), lambda: fit(6), 4)

    return make


def _generation(
    name: str, config: Mapping[str, Any], inputs: Mapping[str, Any], beams: int = 1
) -> Callable[[str, str], Load]:
    def make(kind: str, label: str) -> Load:
        path = EXAMPLES / f"{name}.safetensors"
        net = nr.load(EXAMPLES / f"{name}.net", path if path.exists() else None, device="cuda", **config)

        def generate(count: int) -> None:
            nr.generate(
                net,
                np.array([[1, 2, 3]]),
                inputs=inputs,
                max_new=count,
                temperature=0.0 if beams == 1 else 1.0,
                beams=beams,
            )

        generate(6)
        return Load(kind, label, lambda: generate(6), lambda: generate(16), 10)

    return make
