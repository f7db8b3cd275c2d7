"""The page on training: LeNet-5 is the example's, and its commands and its Python work, with fewer epochs."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from command_line import ROOT, netrun

PAGE = (ROOT / "docs" / "training.md").read_text("utf-8")
BEFORE, LAST, REST = PAGE.partition("### From Python\n")
LESSON = BEFORE + LAST + REST.partition("\n## ")[0]
"""The section on LeNet-5, which is the first."""


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the examples in it, as the page has it."""
    (tmp_path / "examples").mkdir()
    for name in ("lenet5.net", "lenet5.safetensors", "data/digits.npz", "data/digit-7.png"):
        (tmp_path / "examples" / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "examples" / name, tmp_path / "examples" / name)
    monkeypatch.chdir(tmp_path)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", LESSON, re.MULTILINE | re.DOTALL)


def test_the_file_is_the_example() -> None:
    assert blocks("net") == [(ROOT / "examples" / "lenet5.net").read_text("utf-8")]


def test_its_commands_work(examples: None) -> None:
    commands = [match for block in blocks("console") if (match := re.match(r"\$ netrun (.*)\n", block))]
    assert [command[1].split()[0] for command in commands] == ["train", "eval", "run", "train"]
    for command in commands:
        line, notes = command[1], re.findall(r"^note: .*$", command.string, re.MULTILINE)
        short = ["--epochs", "1"] if line.startswith("train") else []
        result = netrun(*shlex.split(line), *short)
        assert result.exit_code == 0, (line, result.output)
        assert set(notes) <= set(result.stderr.splitlines()), (notes, result.stderr)
    (shown,) = (block for block in blocks("console") if block.startswith("$ ls"))
    files = {path.name for path in Path("runs/lenet5").iterdir()}
    assert shown.splitlines()[1:] == sorted(files - {"curves.png"}), "the PNG is there if matplotlib is"


def test_a_picture_is_named_as_shown_and_its_negative_too(examples: None) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install netdsl[image]")
    turned = image.open("examples/data/digit-7.png").point(lambda grey: 255 - grey)
    turned.save("ink.png")
    (options,) = re.findall(r"`(--scale=\S+ --mean=\S+)` inverts", LESSON)
    for line in ("--input image=examples/data/digit-7.png", f"--input image=ink.png {options}"):
        result = netrun("run", "examples/lenet5.net", "--top", 1, *line.split())
        assert re.search(r"^ +7 .* 99\.98%$", result.stdout, re.MULTILINE), result.stdout
    result = netrun("run", "examples/lenet5.net", "--top", 1, "--input", "image=ink.png")
    assert re.search(r"^ +0 .* 95\.\d+%$", result.stdout, re.MULTILINE), result.stdout


def test_its_python_works(examples: None, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    exec(compile(code.replace("epochs=3", "epochs=1"), "training.md", "exec"), {"__name__": "page"})
    assert re.fullmatch(r"1 0\.8\d\d\n", capsys.readouterr().out)
    assert Path("digits.safetensors").is_file()
