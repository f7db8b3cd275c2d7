"""`netrun show`: the table, and drawings by format."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import PAIR, ROOT, netrun, netrun_json, write

LENET = ROOT / "examples" / "lenet5.net"


def test_the_table_has_layers_and_totals() -> None:
    result = netrun("show", LENET, "--size", "B=1")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0][:3] == ["label", "kind", "output"]
    assert lines[3][:8] == ["conv1", "Conv", "f32[1,", "6,", "28,", "28]", "156", "117,600"]
    assert next(line for line in lines if line[:2] == ["LeNet5", "total"])[2:4] == ["61,706", "416,520"]
    assert not any(line.endswith(" ") for line in result.stdout.splitlines())


def test_free_sizes_stay_symbols() -> None:
    assert "B*117,600" in netrun("show", LENET).stdout


def test_all_opens_what_the_table_folds() -> None:
    net = ROOT / "examples" / "resnet50.net"
    folded, full = (netrun("show", net, *option).stdout.splitlines() for option in ([], ["--all"]))
    assert len(full) > 2 * len(folded)
    assert any("stage.0.2.c.bn" in line for line in full)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_pipe_is_as_wide_as_columns_says(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = netrun("show", ROOT / "examples" / "resnet50.net").stdout.splitlines()
    assert columns - 25 < max(map(len, lines)) <= columns


def test_json_has_the_numbers() -> None:
    document = netrun_json("show", LENET, "--depth", 1)
    assert document["ok"] is True and document["name"] == "LeNet5"
    assert document["totals"]["parameters"] == 61706


@pytest.mark.parametrize(("size", "words"), [("Q=1", "no free size `Q`"), ("B=0", "positive")])
def test_sizes_that_are_none(size: str, words: str) -> None:
    result = netrun("show", LENET, "--size", size)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("kind", "start"),
    [("svg", "<svg "), ("html", "<!"), ("dot", 'digraph "LeNet5"'), ("mermaid", "flowchart")],
)
def test_drawings_go_to_standard_output(kind: str, start: str) -> None:
    result = netrun("show", LENET, "--graph", kind)
    assert result.exit_code == 0
    assert result.stdout.startswith(start)
    assert "conv1" in result.stdout


def test_the_ending_of_a_file_says_the_format(tmp_path: Path) -> None:
    result = netrun("show", LENET, "-o", tmp_path / "lenet.svg")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"note: wrote {tmp_path / 'lenet.svg'}" in result.stderr
    assert ElementTree.parse(tmp_path / "lenet.svg").getroot().tag.endswith("svg")


def test_a_format_beats_the_ending(tmp_path: Path) -> None:
    netrun("show", LENET, "--graph", "dot", "-o", tmp_path / "lenet.txt")
    assert (tmp_path / "lenet.txt").read_text().startswith("digraph")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["-o", "lenet.gif"], 2, "the suffix of `lenet.gif` is not a drawing format"),
        (["-o", "no/such/folder/lenet.svg"], 4, "there is no folder `no/such/folder`"),
        (["--graph", "svg", "--json"], 2, "cannot be combined"),
        (["--graph", "svg", "--size", "Q=1"], 2, "no free size `Q`"),
        (["--model", "Lenet"], 2, "did you mean `LeNet5`?"),
    ],
)
def test_options_that_cannot_be(options: list[str], code: int, words: str) -> None:
    result = netrun("show", LENET, *options)
    assert result.exit_code == code
    assert words in result.output


def test_a_model_of_two_outputs(tmp_path: Path) -> None:
    path = write(tmp_path, "pair.net", PAIR)
    assert netrun("show", path).exit_code == 0
    assert netrun("show", path, "--graph", "dot").exit_code == 0


GAN = ROOT / "examples" / "gan.net"


def test_a_file_of_two_models_shows_both() -> None:
    table = netrun("show", GAN).stdout
    assert "Generator" in table and "Discriminator" in table
    drawing = netrun("show", GAN, "--graph", "svg", "--size", "B=2").stdout
    assert "<title>Generator and Discriminator</title>" in drawing and "[2, 1]" in drawing
    assert [m["name"] for m in netrun_json("show", GAN)["models"]] == ["Generator", "Discriminator"]
    assert "Discriminator" not in netrun("show", GAN, "--model", "Generator").stdout


def test_the_way_out_of_two_models_is_an_option() -> None:
    result = netrun("run", GAN, "--input", "random")
    assert "name one: --model Generator or --model Discriminator" in result.stderr


@pytest.mark.parametrize("kind", ["svg", "html", "dot", "mermaid"])
def test_drawings_take_sizes(kind: str) -> None:
    assert "28, 28]" in (drawing := netrun("show", LENET, "--graph", kind, "--size", "B=3").stdout)
    assert "[3, 6, 28, 28]" in drawing
