"""The examples at a size that trains in a blink: what they are made with, and what goes into them.

Each case fits both the file as it is and its text in f64, where two engines agree to the last digits and a
wrong factor has nowhere to hide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.examples import EXAMPLES

Array = np.ndarray[Any, Any]
Inputs = dict[str, Array]


@dataclass(frozen=True)
class Case:
    """An example made small.

    Args:
        file: Its name without `.net`.
        model: Which model of the file.
        inputs: Arrays by input name, from a generator and an element type.
        config: Values for its `config`.
        replaced: Texts of the file that are replaced, for sizes that no `config` has.
        loss: The loss of a `train` section for it.
        labels: The loss's own inputs, declared as in a file, and how each is drawn.
    """

    file: str
    model: str
    inputs: Callable[[np.random.Generator, str], Inputs]
    config: Mapping[str, Any] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    loss: str = "cross_entropy(logits, label)"
    labels: Mapping[str, Callable[[np.random.Generator], Array]] = field(default_factory=dict)

    def text(self, dtype: str = "f32") -> str:
        """The text of the file, without its tests and training, in this float type."""
        text = (EXAMPLES / f"{self.file}.net").read_text("utf-8")
        text = re.sub(r"^(test|train)\b.*?^}\n", "", text, flags=re.DOTALL | re.MULTILINE)
        for old, new in self.replaced.items():
            assert old in text, f"{self.file}.net has no {old!r}"
            text = text.replace(old, new)
        return text if dtype == "f32" else _in_type(text, dtype)

    def training_text(self, settings: str, dtype: str = "f32") -> str:
        """The text with a `train` section of this case's loss and these settings."""
        inputs = "".join(f"  input {declared}\n" for declared in self.labels)
        section = f"\ntrain {{\n{inputs}  loss = {self.loss}\n{settings}\n}}\n"
        text = self.text() + section
        return text if dtype == "f32" else _in_type(text, dtype)

    def batch(self, seed: int = 3, dtype: str = "float32") -> Inputs:
        """The model's inputs and the loss's own."""
        rng = np.random.default_rng(seed)
        found = self.inputs(rng, dtype)
        for declared, make in self.labels.items():
            label = make(rng)
            found[declared.split(":")[0]] = label.astype(dtype) if label.dtype.kind == "f" else label
        return found


def _in_type(text: str, dtype: str) -> str:
    """The text with another float type, also where the library would take f32 by itself."""
    text = text.replace("f32", dtype)
    text = re.sub(r"(\bparam \w+: )\[", rf"\1{dtype}[", text)
    text = re.sub(r"\bEmbedding\(([^)]*)\)", rf"Embedding(\1, dtype={dtype})", text)
    return re.sub(r"\bnormal\((\[[^]]*\])\)", rf"normal(\1, dtype={dtype})", text)


def _image(*shape: int) -> Callable[[np.random.Generator, str], Inputs]:
    return lambda rng, dtype: {"image": rng.normal(size=shape).astype(dtype)}


def _label(*shape: int, classes: int) -> Callable[[np.random.Generator], Array]:
    return lambda rng: rng.integers(0, classes, shape).astype(np.int32)


def _target(*shape: int) -> Callable[[np.random.Generator], Array]:
    return lambda rng: rng.normal(size=shape)


def _tokens(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(0, 11, shape).astype(np.int32)


def _keep(lengths: Sequence[int], steps: int) -> Array:
    return np.arange(steps) < np.array(lengths)[:, None]


def _sequences(rng: np.random.Generator, dtype: str) -> Inputs:
    return {"x": rng.normal(size=(3, 6, 5)).astype(dtype), "length": np.array([6, 1, 4], np.int32)}


def _words(rng: np.random.Generator, dtype: str) -> Inputs:
    return {"words": _tokens(rng, 3, 6), "length": np.array([6, 2, 4], np.int32)}


def _pair(rng: np.random.Generator, dtype: str) -> Inputs:
    return {
        "src": _tokens(rng, 2, 7),
        "tgt": _tokens(rng, 2, 5),
        "src_keep": _keep([7, 4], 7),
        "tgt_keep": _keep([5, 3], 5),
    }


def _vectors(lengths: Sequence[int]) -> Callable[[np.random.Generator, str], Inputs]:
    def make(rng: np.random.Generator, dtype: str) -> Inputs:
        return {"x": rng.normal(size=(len(lengths), 6, 16)).astype(dtype), "keep": _keep(lengths, 6)}

    return make


def _sentences(rng: np.random.Generator, dtype: str) -> Inputs:
    segment = np.array([[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1]], np.int32)
    return {"ids": _tokens(rng, 2, 6), "keep": _keep([6, 4], 6), "segment": segment}


_CLASSES = {"label: i32[B]": _label(2, classes=10)}
_THREE = {"label: i32[B]": _label(3, classes=4)}
_RECURRENT = {"features": 5, "hidden": 7, "classes": 4}
_SMALL_IMAGE = {"[B, 3, 224, 224]": "[B, 3, 96, 96]"}
_RESNET = {"classes": 10, "depth": [1, 1, 1, 1]}
_TINY = {"vocab": 11, "dim": 16, "depth": 2, "heads": 4}

CASES = [
    Case("mlp", "Perceptron", _image(2, 28, 28), {"hidden": [24, 12]}, labels=_CLASSES),
    Case("lenet5", "LeNet5", _image(2, 1, 28, 28), labels=_CLASSES),
    Case("alexnet", "AlexNet", _image(2, 3, 64, 64), {"classes": 10, "hidden": 24}, labels=_CLASSES),
    Case(
        "zfnet", "ZFNet", _image(2, 3, 96, 96), {"classes": 10, "hidden": 24}, _SMALL_IMAGE, labels=_CLASSES
    ),
    Case("vgg16", "VGG16", _image(2, 3, 32, 32), {"classes": 10, "hidden": 24, "size": 32}, labels=_CLASSES),
    Case("googlenet", "GoogLeNet", _image(2, 3, 96, 96), {"classes": 10}, _SMALL_IMAGE, labels=_CLASSES),
    Case("resnet18", "ResNet18", _image(2, 3, 64, 64), _RESNET, labels=_CLASSES),
    Case("resnet50", "ResNet50", _image(2, 3, 64, 64), _RESNET, labels=_CLASSES),
    Case("rnn", "SequenceRNN", _sequences, _RECURRENT, labels=_THREE),
    Case("lstm", "SequenceLSTM", _sequences, _RECURRENT, labels=_THREE),
    Case(
        "gru",
        "SequenceGRU",
        lambda rng, dtype: {"x": _sequences(rng, dtype)["x"]},
        {"features": 5, "hidden": 7},
        loss="mse(forecast, target)",
        labels={"target: f32[B, T, features]": _target(3, 6, 5)},
    ),
    Case(
        "bilstm_tagger",
        "BiLSTMTagger",
        _words,
        {"vocab": 11, "dim": 6, "hidden": 5, "tags": 4},
        loss="cross_entropy(scores, label, ignore=-1)",
        labels={"label: i32[B, T]": lambda rng: rng.integers(-1, 4, (3, 6)).astype(np.int32)},
    ),
    Case(
        "self_attention",
        "SelfAttention",
        _vectors([6, 3, 0]),  # the last one sees nothing at all
        {"dim": 16},
        loss="mse(output, target)",
        labels={"target: f32[B, S, dim]": _target(3, 6, 16)},
    ),
    Case(
        "transformer_encoder",
        "TransformerEncoder",
        _vectors([6, 3]),
        {"dim": 16, "depth": 2, "heads": 4, "ff": 24},
        loss="mse(output, target)",
        labels={"target: f32[B, S, dim]": _target(2, 6, 16)},
    ),
    Case(
        "transformer",
        "Transformer",
        _pair,
        {**_TINY, "ff": 24},
        loss="cross_entropy(logits, label, smoothing=0.1)",
        labels={"label: i32[B, T]": _label(2, 5, classes=11)},
    ),
    Case(
        "gpt2",
        "GPT2",
        lambda rng, dtype: {"ids": _tokens(rng, 2, 6)},
        {**_TINY, "positions": 9},
        labels={"label: i32[B, T]": _label(2, 6, classes=11)},
    ),
    Case(
        "minilm",
        "MiniLM",
        _sentences,
        {**_TINY, "positions": 9, "ff": 24},
        loss="cosine(embedding, meant)",
        labels={"meant: f32[B, dim]": _target(2, 16)},
    ),
    Case(
        "vit",
        "ViT",
        _image(2, 3, 32, 32),
        {"size": 32, "patch": 8, "dim": 16, "depth": 2, "heads": 4, "hidden": 24, "classes": 10},
        labels=_CLASSES,
    ),
    Case(
        "vae",
        "VAE",
        lambda rng, dtype: {"image": rng.uniform(size=(3, 784)).astype(dtype)},
        {"hidden": 24, "latent": 6},
        loss="mse(reconstruction, image) - 0.01*mean(1.0 + logvar - square(mu) - exp(logvar))",
    ),
    Case(
        "gan",
        "Generator",
        lambda rng, dtype: {"z": rng.normal(size=(3, 7)).astype(dtype)},
        {"latent": 7, "width": 8},
        loss="mse(Generator(z), target)",
        labels={"target: f32[B, channels, 64, 64]": _target(3, 3, 64, 64)},
    ),
    Case(
        "gan",
        "Discriminator",
        _image(3, 3, 64, 64),
        {"latent": 7, "width": 8},
        loss="mse(real, target)",
        labels={"target: f32[B, 1]": _target(3, 1)},
    ),
]
IDS = [f"{case.file}-{case.model}" for case in CASES]


def varied(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Weights, with those that start as zeros or ones moved off them, so that a term left out shows."""
    rng = np.random.default_rng(7)
    return {
        path: array + rng.uniform(-0.4, 0.4, array.shape).astype(array.dtype) if np.ptp(array) == 0 else array
        for path, array in weights.items()
    }
