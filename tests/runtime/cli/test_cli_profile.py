"""`netrun profile`, `netrun info`, and what runs by `netrun show`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from command_line import ROOT, netrun, netrun_json

from netruntime.cli.info.facts import EXTRAS
from netruntime.native.library import load_library

LENET = ROOT / "examples" / "lenet5.net"
DIGITS = ROOT / "examples" / "data" / "digits.npz"
MINILM = ROOT / "examples" / "minilm.net"
native = pytest.mark.skipif(not load_library(), reason="not built")


@pytest.fixture(autouse=True)
def _screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_a_profile_without_inputs_draws_them() -> None:
    result = netrun("profile", LENET, "--repeats", 1, "--size", "B=2")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].startswith("LeNet5 on ") and " ms per run" in lines[0]
    assert lines[2].split() == ["line", "label", "computes", "ms", "share", "GFLOP/s", "bytes"]
    assert any("conv1.conv" in line for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_masks_and_tokens_are_drawn_too() -> None:
    document = netrun_json("profile", MINILM, "--repeats", 1, "--size", "T=5", "--set", "depth=1")
    assert document["ok"] and document["repeats"] == 1


@native
def test_a_profile_as_json_has_every_row() -> None:
    document = netrun_json("profile", LENET, "--repeats", 1, "--by", "line", "--sort", "source")
    assert document["engine"] == "native"
    assert [row["line"] for row in document["rows"]] == [11, 12, 13, 14, 15, 16]
    assert sum(row["share"] for row in document["rows"]) == pytest.approx(1)
    first = document["rows"][0]
    assert first["text"].startswith("-> conv1: Conv(6, 5, pad=2)")
    assert first["multiply_adds"] == 28 * 28 * 6 * 25
    assert first["gflops"] == pytest.approx(2e-9 * first["multiply_adds"] / first["seconds"])


def test_a_profile_of_training_reads_data(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    result = netrun(
        *("profile", LENET, "--train", "--data", DIGITS, "--resize", "stretch", "--batch-size", 4),
        *("--repeats", 1, "--by", "line", "--trace", trace),
    )
    assert result.exit_code == 0, result.output
    assert " ms per training step" in result.stdout.splitlines()[0]
    assert "loss = cross_entropy(logits, label)" in result.stdout
    names = {event["name"] for event in json.loads(trace.read_text())["traceEvents"]}
    assert "grad.conv1.conv" in names


def test_a_profile_as_a_drawing(tmp_path: Path) -> None:
    page = tmp_path / "times.html"
    result = netrun("profile", LENET, "--repeats", 1, "--graph", "html", "-o", page)
    assert result.exit_code == 0, result.output
    assert "color-mix" in page.read_text() and " ms per run" in page.read_text()


def test_rows_of_hardly_any_time_are_left_out() -> None:
    args = ("profile", LENET, "--train", "--data", DIGITS, "--resize", "stretch", "--repeats", 1)
    short, complete = netrun(*args).stdout, netrun(*args, "--all").stdout
    assert "in total: --all" in short
    assert "in total: --all" not in complete
    assert len(complete.splitlines()) > len(short.splitlines())


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--train",), "E0921"),
        (("--data", str(DIGITS)), "E0920"),
        (("--batch-size", "3"), "E0920"),
        (("--train", "--data", str(DIGITS), "--input", "random"), "E0920"),
        (("--json", "--graph", "html"), "E0920"),
        (("--size", "Q=3"), "E0924"),
    ],
)
def test_options_that_do_not_go_together(args: tuple[str, ...], code: str) -> None:
    result = netrun("profile", LENET, *args)
    assert code in result.output
    assert result.exit_code == 2


# -- what runs --------------------------------------------------------------------------------------


@native
@pytest.mark.parametrize("width", [80, 140])
def test_a_plan_fits_the_screen(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    result = netrun("show", LENET, "--plan", "--size", "B=2")
    lines = result.stdout.splitlines()
    assert lines[0] == "LeNet5 B=2: 1 native run, 0 steps on NumPy"
    assert "conv + tanh" in lines[3] and "arena+" in lines[3]
    assert ("tasks" in lines[2]) == (width == 140)
    assert all(len(line) <= width for line in lines)


@native
def test_a_plan_as_json() -> None:
    document = netrun_json("show", LENET, "--plan")
    first = document["steps"][0]
    assert document["sizes"] == {"B": 1}
    assert (first["label"], first["operators"], first["run"]) == ("conv1.conv", ["conv", "tanh"], 0)
    assert first["kernels"][-1]["name"] == "conv" and first["memory"] == "arena"


def test_a_plan_on_numpy() -> None:
    assert "0 native runs" in netrun("show", LENET, "--plan", "--engine", "numpy").stdout


def test_memory_adds_up() -> None:
    document = netrun_json("show", LENET, "--memory", "--size", "B=8", "--engine", "numpy")
    assert document["inputs"] == 4 * 8 * 28 * 28
    kept = ("process", "weights", "constants", "inputs", "outputs", "values")
    assert document["peak"] == sum(document[name] for name in kept)
    text = netrun("show", LENET, "--memory", "--engine", "numpy").stdout
    assert "peak " in text and "NumPy's temporary arrays" in text


def test_sizes_that_a_plan_needs() -> None:
    result = netrun("show", ROOT / "examples" / "resnet18.net", "--plan")
    assert "E0921" in result.stderr and "--size H=32 --size W=32" in result.stderr
    assert netrun("show", LENET, "--plan", "--size", "Q=3").exit_code == 2
    assert "E0920" in netrun("show", LENET, "--memory", "--graph", "svg").stderr


# -- info -------------------------------------------------------------------------------------------


def test_info_names_everything() -> None:
    text = netrun("info").stdout
    for name in ("netdsl", "Python", "NumPy", "engine", "packages"):
        assert any(line.startswith(name) for line in text.splitlines()), name
    assert all(len(line) <= 80 for line in text.splitlines())


def test_info_as_json() -> None:
    document = netrun_json("info")
    library = load_library()
    assert document["engine"]["name"] == ("native" if library else "numpy")
    if library:
        assert document["engine"]["instruction_set"] == library.isa
        assert document["engine"]["threads"] >= 1
    assert set(document["packages"]) == set(EXTRAS.values())


def test_the_extras_are_those_of_the_package() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    others = {"cuda12", "cuda13", "torch", "demo", "test", "docs", "bench"}
    assert set(EXTRAS) == extras.keys() - others
    for extra, package in EXTRAS.items():
        assert [line.partition(">")[0] for line in extras[extra]] == [package]


def test_info_says_why_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "it was not built when netdsl was installed: there was no C compiler"
    monkeypatch.setattr("netruntime.native.library._loaded", lambda: reason)
    load_library.cache_clear()
    try:
        assert f"numpy: {reason}" in " ".join(netrun("info").stdout.split())
    finally:
        load_library.cache_clear()
