"""The examples at full size, each with a batch that a CPU trains on within a few seconds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from draws import Draw, below, floats, kept

from zoo.small import Case, Inputs


def lengths(batch: int, steps: int) -> Draw:
    return lambda rng: rng.integers(steps // 2, steps + 1, batch).astype(np.int32)


def case(
    file: str,
    model: str,
    inputs: Mapping[str, Draw],
    loss: str = "",
    labels: Mapping[str, Draw] | None = None,
) -> Case:
    def draw(rng: np.random.Generator, dtype: str) -> Inputs:
        return {name: make(rng) for name, make in inputs.items()}

    return Case(file, model, draw, loss=loss or "cross_entropy(logits, label)", labels=labels or {})


def classifier(file: str, model: str, *shape: int, classes: int = 1000) -> Case:
    labels = {"label: i32[B]": below(classes, shape[0])}
    return case(file, model, {"image": floats(*shape)}, labels=labels)


def encoder(batch: int, steps: int) -> Case:
    return case(
        "transformer_encoder",
        "TransformerEncoder",
        {"x": floats(batch, steps, 512), "keep": kept(batch, steps)},
        "mse(output, target)",
        {"target: f32[B, S, dim]": floats(batch, steps, 512)},
    )


CASES = [
    classifier("mlp", "Perceptron", 128, 28, 28, classes=10),
    classifier("lenet5", "LeNet5", 64, 1, 28, 28, classes=10),
    classifier("alexnet", "AlexNet", 32, 3, 224, 224),
    classifier("zfnet", "ZFNet", 16, 3, 224, 224),
    classifier("vgg16", "VGG16", 4, 3, 224, 224),
    classifier("googlenet", "GoogLeNet", 8, 3, 224, 224),
    classifier("resnet18", "ResNet18", 8, 3, 224, 224),
    classifier("resnet50", "ResNet50", 4, 3, 224, 224),
    classifier("vit", "ViT", 4, 3, 224, 224),
    case(
        "rnn",
        "SequenceRNN",
        {"x": floats(32, 64, 8), "length": lengths(32, 64)},
        labels={"label: i32[B]": below(4, 32)},
    ),
    case(
        "lstm",
        "SequenceLSTM",
        {"x": floats(32, 64, 8), "length": lengths(32, 64)},
        labels={"label: i32[B]": below(4, 32)},
    ),
    case(
        "gru",
        "SequenceGRU",
        {"x": floats(32, 64, 8)},
        "mse(forecast, target)",
        {"target: f32[B, T, features]": floats(32, 64, 8)},
    ),
    case(
        "bilstm_tagger",
        "BiLSTMTagger",
        {"words": below(10000, 32, 40), "length": lengths(32, 40)},
        "cross_entropy(scores, label)",
        {"label: i32[B, T]": below(17, 32, 40)},
    ),
    case(
        "self_attention",
        "SelfAttention",
        {"x": floats(32, 64, 64), "keep": kept(32, 64)},
        "mse(output, target)",
        {"target: f32[B, S, dim]": floats(32, 64, 64)},
    ),
    encoder(8, 64),
    case(
        "transformer",
        "Transformer",
        {
            "src": below(37000, 8, 64),
            "tgt": below(37000, 8, 64),
            "src_keep": kept(8, 64),
            "tgt_keep": kept(8, 64),
        },
        labels={"label: i32[B, T]": below(37000, 8, 64)},
    ),
    case("gpt2", "GPT2", {"ids": below(50257, 2, 128)}, labels={"label: i32[B, T]": below(50257, 2, 128)}),
    case(
        "minilm",
        "MiniLM",
        {"ids": below(30522, 16, 64), "keep": kept(16, 64), "segment": below(2, 16, 64)},
        "cosine(embedding, meant)",
        {"meant: f32[B, dim]": floats(16, 384)},
    ),
    case(
        "vae",
        "VAE",
        {"image": lambda rng: rng.uniform(size=(128, 784)).astype(np.float32)},
        "mse(reconstruction, image) - 0.01*mean(1.0 + logvar - square(mu) - exp(logvar))",
    ),
    case(
        "gan",
        "Generator",
        {"z": floats(16, 100)},
        "mse(Generator(z), target)",
        {"target: f32[B, channels, 64, 64]": floats(16, 3, 64, 64)},
    ),
    case(
        "gan",
        "Discriminator",
        {"image": floats(16, 3, 64, 64)},
        "mse(real, target)",
        {"target: f32[B, 1]": floats(16, 1)},
    ),
]
BY_NAME = {f"{case.file}.{case.model}" if case.file == "gan" else case.file: case for case in CASES}
FOR_MEMORY = {"transformer_encoder.long": encoder(8, 256), "resnet18": BY_NAME["resnet18"]}
