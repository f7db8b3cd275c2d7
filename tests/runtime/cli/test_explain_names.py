"""`netrun explain NAME`: every operator, standard block, recipe and keyword."""

from __future__ import annotations

import pytest
from command_line import netrun, netrun_json

from netruntime.cli.explain.names import WORDS, explained, known_names


@pytest.mark.parametrize("name", known_names())
def test_every_name_is_explained(name: str) -> None:
    text = explained(name)
    assert text is not None
    assert text.startswith(f"## {name}: ")
    assert len(text) > 40


def test_a_block_shows_its_signature_and_its_text() -> None:
    text = netrun("explain", "Conv").output
    assert "A convolution in 1, 2 or 3 dimensions" in text
    assert "channels: int," in text
    assert "\n\n\n" not in text


def test_an_optimizer_shows_its_arguments_with_their_ranges() -> None:
    text = netrun("explain", "sgd").output
    assert "momentum must be in [0, 1); the default is 0" in text


def test_a_foreign_name_shows_ours() -> None:
    assert "Conv(out_channels, kernel_size" in " ".join(netrun("explain", "Conv2d").output.split())


def test_an_unknown_name_gets_the_nearest() -> None:
    result = netrun("explain", "Linaer")
    assert result.exit_code == 2
    assert "did you mean `Linear`?" in result.output


def test_json_has_the_name_and_the_text() -> None:
    document = netrun_json("explain", "scan")
    assert document["name"] == "scan"
    assert WORDS["scan"][0] in document["text"]
