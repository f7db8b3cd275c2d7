"""Hints about networks that run, but are likely not what was meant (E0254 to E0258)."""

from __future__ import annotations

import pytest

from netdsl.checker import check
from netdsl.modules import load_module
from netdsl.source import Source

PROBABILITIES, REPEATED, PICTURES = "E0254", "E0255", "E0256"


def codes(text: str) -> list[str]:
    checked = check(load_module(Source("slip.net", f"net 1.0\n{text}")))
    return [hint.code for hint in checked.hints if hint.code != "E0250"]


def trained(stages: str, loss: str, label: str = "i32[B]", output: str = "[B, 4]") -> str:
    return (
        f"model M(x: f32[B, 8]) -> y: f32{output} {{ return x -> out: Linear(4) {stages} }}\n"
        f"train {{\n  input label: {label}\n  loss = {loss}\n}}\n"
    )


@pytest.mark.parametrize(
    ("stages", "loss", "label", "expected"),
    [
        ("-> softmax", "cross_entropy(y, label)", "i32[B]", [PROBABILITIES]),
        ("-> softmax", "cross_entropy(y, label, smoothing=0.1)", "f32[B, 4]", [PROBABILITIES]),
        ("-> sigmoid", "binary_cross_entropy(y, label)", "f32[B, 4]", [PROBABILITIES]),
        (
            "-> sigmoid -> unsqueeze(1) -> squeeze(1)",
            "binary_cross_entropy(y, label)",
            "f32[B, 4]",
            [PROBABILITIES],
        ),
        ("", "cross_entropy(y, label)", "i32[B]", []),
        ("", "binary_cross_entropy(y, label)", "f32[B, 4]", []),
        ("-> sigmoid", "cross_entropy(y, label)", "i32[B]", []),
        ("-> softmax", "mse(y, label)", "f32[B, 4]", []),
        ("-> softmax", "nll(log(y), label)", "i32[B]", []),
    ],
)
def test_a_loss_that_gets_probabilities(stages: str, loss: str, label: str, expected: list[str]) -> None:
    assert codes(trained(stages, loss, label)) == expected


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("f = Linear(4)", [REPEATED]),
        ("layer f = Linear(4)", []),
        ("let f = Linear(4)", []),
        ("f = Dropout(0.5)", []),
        ("f = Half(0.5)", []),
        ("f = Twice(0.5)", [REPEATED]),
    ],
)
def test_a_block_that_is_applied_twice(first: str, expected: list[str]) -> None:
    body = f"{first}\n  return (a -> f) - f(b)"
    blocks = "block Half(r)(x) { return x * r }\nblock Twice(r)(x) { return x -> Linear(4) * 2 -> Half(r) }\n"
    assert codes(f"{blocks}model M(a: f32[B, 4], b: f32[B, 4]) -> f32[B, 4] {{\n  {body}\n}}\n") == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("B, 28, 28", [PICTURES]),
        ("B, 28, 28, 1", [PICTURES]),
        ("B, 3, 32, 32", []),
        ("B, 1, 28, 28", []),
        ("B, 16, 100", []),
        ("B, 3, 3", []),
        ("B, 64, 5, 4", []),
    ],
)
def test_pictures_with_their_axes_in_another_order(shape: str, expected: list[str]) -> None:
    assert codes(f"model M(image: f32[{shape}]) {{ return image -> conv: Conv(8, 3, pad=1) }}\n") == expected


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ("dropout(0.1)", ["E0257"]),
        ("part: Part", ["E0257"]),
        ("Dropout(0.1)", []),
        ("dropout(0.1) when training", []),
    ],
)
def test_dropout_that_is_on_when_the_network_runs(stages: str, expected: list[str]) -> None:
    part = "block Part(x: [*rest]) { return x -> dropout(0.2) }\n"
    assert codes(f"{part}model M(x: f32[B, 8]) {{ return x -> {stages} -> out: Linear(2) }}\n") == expected


@pytest.mark.parametrize(
    ("conv", "channels", "expected"),
    [
        ("Conv(3, 16)", 3, ["E0258"]),
        ("Conv(3, 16, 3)", 3, ["E0258"]),
        ("ConvBN(8, 16)", 8, ["E0258"]),
        ("Conv(3, size=16)", 3, []),
        ("Conv(3, 16, stride=16)", 3, []),
        ("Conv(16, 3)", 16, []),
        ("Conv(16, 8)", 16, []),
        ("Conv(3, 7)", 3, []),
        ("Conv(16, 16)", 3, []),
    ],
)
def test_convolutions_in_the_order_of_another_framework(
    conv: str, channels: int, expected: list[str]
) -> None:
    assert codes(f"model M(x: f32[B, {channels}, 64, 64]) {{ return x -> c: {conv} }}\n") == expected
