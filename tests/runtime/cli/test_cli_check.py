"""`netrun check`: what it prints, and with which exit code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import PAIR, ROOT, SCORES, netrun, netrun_json, start, write

from netdsl.checker import check
from netdsl.diagnostics import Diagnostic
from netdsl.graph import build
from netdsl.model import Input, Output, Parameter
from netdsl.modules import load_module
from netdsl.source import Source
from netruntime.cli.check.command import count_operators, count_parameters
from netruntime.cli.check.memory import too_large

LENET = ROOT / "examples" / "lenet5.net"

WRONG = """net 1.0

model Wrong(x: f32[B, 3]) -> f32[B, 3] {
  return x -> rellu
}
"""

SHARED = """net 1.0

model Twins(a: f32[B, 4], b: f32[B, 4]) -> d: f32[B, 2] {
  layer tower = Linear(2)
  return tower(a) - tower(b)
}
"""


BIG = """net 1.0

model Big(x: f32[B, 4096]) -> y: f32[B, 4096] {
  return x -> layers: for i in 0..96 { up: Linear(49152) -> gelu -> down: Linear(4096) }
}
"""


SQUARE = "block Square(x: f32[N, 1]) -> y: f32[N, N] { return x @ transpose(x, [1, 0]) }"


def hints(model: str) -> list[tuple[str, list[str]]]:
    """The hints about memory for a model, on a machine with 8 GiB."""
    checked = check(load_module(Source("m.net", f"net 1.0\n\nmodel {model}\n"))).models
    return [(hint.message, [label.text for label in hint.labels]) for hint in too_large(checked.values())]


@pytest.fixture
def eight_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netruntime.cli.check.memory.total_memory", lambda: 8 * 2**30)


@pytest.mark.usefixtures("eight_gib")
def test_a_model_larger_than_memory_is_hinted_at(tmp_path: Path) -> None:
    path = write(tmp_path, "big.net", BIG)
    result = netrun("check", path, "--strict")
    assert (result.exit_code, result.stdout.count("38,659,817,472 parameters")) == (0, 1)
    assert result.stderr == (
        "hint[E0259]: the weights of `Big` need 144.0 GiB of memory, but this machine has 8.0 GiB\n"
        f"  --> {path}:4:44\n"
        " 4 |   return x -> layers: for i in 0..96 { up: Linear(49152) -> gelu -> down: Linear(4096) }\n"
        "   |                                            ^^^^^^^^^^^^^ "
        "the largest of 384 weights: `layers.0.up.weight` is f32[4096, 49152], 768.0 MiB\n"
        "   = help: make it smaller, or run it on a machine with more memory; "
        "`netrun show` lists the bytes of each part\n"
    )
    document = netrun_json("check", path)
    assert document["ok"] is True
    assert [finding["code"] for finding in document["diagnostics"]] == ["E0259"]


@pytest.mark.usefixtures("eight_gib")
@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("M(x: f32[60000, 1]) { return x @ transpose(x, [1, 0]) }", "matmul"),
        ("M(x: f32[60000, 60000], y: f32[B]) { return y }", "x"),
        ("M(x: f32[60000, 1]) { return x -> Linear(60000) -> relu }", "relu"),
        ("M(x: f32[60000, 1]) { return x -> outer: Square }\n" + SQUARE, "outer.matmul"),
    ],
)
def test_one_value_larger_than_memory(model: str, label: str) -> None:
    message = "one value of `M` needs 13.4 GiB of memory, but this machine has 8.0 GiB"
    assert hints(model) == [(message, [f"`{label}` is f32[60000, 60000], 13.4 GiB"])]


@pytest.mark.usefixtures("eight_gib")
@pytest.mark.parametrize(
    "model",
    [
        "M(x: f32[B, 60000]) { return x -> reshape([B, 60000, 1]) -> expand([B, 60000, 60000]) }",
        "M(x: f32[60000, 1]) { return x -> reshape([60000, 1, 1]) -> expand([60000, 60000, 1]) }",
        "M(x: f32[40000, 1]) { return x @ transpose(x, [1, 0]) }",
        "M(x: f32[60000, 1]) {\n  _y = relu(x @ transpose(x, [1, 0]))\n  return x\n}",
        "M(x: f32[60000, 1]) {\n  _y = x -> outer: Square\n  return x -> relu\n}\n" + SQUARE,
    ],
)
def test_views_unused_values_and_free_sizes_need_nothing_that_is_known(model: str) -> None:
    assert hints(model) == []


def test_a_model_is_told_in_one_line() -> None:
    result = netrun("check", LENET)
    line = "LeNet5(image: f32[B, 1, 28, 28]) -> logits: f32[B, 10]   61,706 parameters, 12 operators\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, line, "")


def test_an_error_goes_to_standard_error_with_its_place(tmp_path: Path) -> None:
    result = netrun("check", write(tmp_path, "wrong.net", WRONG))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "wrong.net:4:15" in result.stderr
    assert " 4 |   return x -> rellu" in result.stderr
    assert "did you mean `relu`?" in result.stderr


def test_the_rules_of_a_map_are_checked_together(tmp_path: Path) -> None:
    rules = '  "a{i.weight" => "fc.weight"\n  "b.*" => "fc"\n'
    text = "net 1.0\nmodel M(x: f32[B, 4]) -> f32[B, 3] { return x -> fc: Linear(3) }\nweights w {\n"
    result = netrun("check", write(tmp_path, "map.net", f"{text}{rules}}}\n"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert [
        code for code in ("E0731", "E0734", "map.net:4:3", "map.net:5:3") if code not in result.stderr
    ] == []


def test_json_holds_models_and_types(tmp_path: Path) -> None:
    document = netrun_json("check", write(tmp_path, "pair.net", PAIR))
    (model,) = document["files"][0]["models"]
    assert document["ok"] is True
    assert model["inputs"] == {"image": "f32[B, 3, H, W]", "mask": "f32[B, 1, H, W]"}
    assert model["outputs"] == {"masked": "f32[B, 3, H, W]", "size": "f32[B]"}
    assert model["parameters"] == 0


def test_json_of_an_error_has_code_and_place(tmp_path: Path) -> None:
    path = write(tmp_path, "wrong.net", WRONG)
    document = netrun_json("check", path)
    (found,) = document["diagnostics"]
    assert document["ok"] is False
    assert found["labels"][0]["line"] == 4
    assert found["labels"][0]["file"] == str(path)


def test_every_file_is_checked_and_the_worst_code_wins(tmp_path: Path) -> None:
    result = netrun("check", tmp_path / "none.net", write(tmp_path, "wrong.net", WRONG), LENET)
    assert result.exit_code == 4
    assert "there is no file" in result.stderr and "rellu" in result.stderr
    assert f"{LENET}: LeNet5(" in result.stdout


def test_strict_makes_hints_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    hint = Diagnostic("E0250", "a layer has an automatic name", severity="hint")
    monkeypatch.setattr("netdsl.checker.entry.hints", lambda models: [hint])
    lax, strict = netrun("check", LENET), netrun("check", LENET, "--strict")
    assert (lax.exit_code, strict.exit_code) == (0, 1)
    assert "hint[E0250]: a layer has an automatic name" in lax.stderr
    assert "LeNet5(image" in lax.stdout
    assert "1 hint in" in strict.stderr and "with --strict" in strict.stderr


def test_set_reaches_the_config(tmp_path: Path) -> None:
    text = SCORES.replace("gain: float = 1.0", "n: int = 3").replace("f32[B, 3]", "f32[B, n]")
    path = write(tmp_path, "n.net", text.replace("x * gain", "x"))
    assert "x: f32[B, 7]" in netrun("check", path, "--set", "n=7").stdout
    unknown = netrun("check", path, "--set", "m=7")
    assert unknown.exit_code == 1
    assert "no config entry `m`" in unknown.stderr


@pytest.mark.parametrize("setting", ["n", "=3", "3n=4"])
def test_settings_that_are_none_are_misuse(setting: str) -> None:
    result = netrun("check", LENET, "--set", setting)
    assert result.exit_code == 2
    assert f"'{setting}' is not of the form NAME=VALUE" in result.stderr


@pytest.mark.parametrize("path", [LENET, *sorted((ROOT / "runtime/netruntime/cli/starters").glob("*.net"))])
def test_counts_agree_with_the_graph(path: Path) -> None:
    assert_counts(path.read_text("utf-8"))


def test_shared_layers_count_once() -> None:
    assert_counts(SHARED)


def test_a_tied_weight_counts_once() -> None:
    assert_counts((ROOT / "examples/gpt2.net").read_text("utf-8"))


def assert_counts(text: str) -> None:
    checked = check(load_module(Source("model.net", text)), {})
    for model in checked.models.values():
        data = [node for _, node in build(model).operators()]
        params = [node for node in data if isinstance(node.op, Parameter) and node.op.role == "param"]
        others = [node for node in data if not isinstance(node.op, (Parameter, Input, Output))]
        assert count_parameters(model.body) == sum(node.types[0].size.value for node in params)
        assert count_operators(model.body) == len(others)


class TestFilesThatAreNone:
    def test_missing_with_a_near_name(self, tmp_path: Path) -> None:
        write(tmp_path, "lenet5.net", "net 1.0\n")
        result = netrun("check", tmp_path / "lenet.net")
        assert result.exit_code == 4
        assert "did you mean `lenet5.net`?" in result.stderr

    def test_a_folder(self, tmp_path: Path) -> None:
        write(tmp_path, "lenet5.net", "net 1.0\n")
        result = netrun("check", tmp_path)
        assert result.exit_code == 4
        assert "is a folder" in result.stderr and "name a file in it: `lenet5.net`" in result.stderr

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        path = tmp_path / "image.net"
        path.write_bytes(b"net 1.0\n\xff\xfe\x00")
        result = netrun("check", path)
        assert result.exit_code == 4
        assert "is not UTF-8 text: byte 8 on line 2" in result.stderr

    @pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero here")
    def test_a_device_that_never_ends(self) -> None:
        result = netrun("check", "/dev/zero")
        assert result.exit_code == 4
        assert "it is a device, not a file" in result.stderr

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
    def test_one_that_may_not_be_read(self, tmp_path: Path) -> None:
        path = write(tmp_path, "secret.net", "net 1.0\n")
        path.chmod(0)
        result = netrun("check", path)
        assert result.exit_code == 4
        assert "Permission denied" in result.stderr

    def test_a_name_that_no_file_can_have(self) -> None:
        result = netrun("check", "a" * 5000 + ".net")
        assert result.exit_code == 4
        assert "cannot be read: File name too long" in result.stderr

    def test_an_empty_file(self, tmp_path: Path) -> None:
        result = netrun("check", write(tmp_path, "empty.net", ""))
        assert result.exit_code == 1
        assert "start the file with `net 1.0`" in result.stderr


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = write(tmp_path, "escape.net", "net 1.0\nmodel \x1b]0;owned\x07 {}\n")
    result = netrun("check", path)
    assert result.exit_code == 1
    assert "\x1b" not in result.output and "\x07" not in result.output


def test_names_in_an_encoding_that_the_terminal_lacks(tmp_path: Path) -> None:
    path = write(tmp_path, "日.net", LENET.read_text("utf-8"))
    done = start("check", path, LENET, env={"PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0, done.stderr
    assert "\\u65e5.net: LeNet5(" in done.stdout


def test_a_file_that_is_named_twice_is_checked_once() -> None:
    result = netrun("check", "-", "-", input="net 1.0\nmodel M(x: f32[B]) { return x }\n")
    assert result.exit_code == 0 and result.stdout.count("M(x: f32[B])") == 1
