"""`netrun test`, `explain`, `init`, `completion`, and the help texts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import numpy as np
import pytest
from command_line import ROOT, netrun, netrun_json, start, write

from netruntime.cli.app import COMMANDS, cli
from netruntime.cli.common.failures import CommandLineError
from netruntime.cli.explain.command import RENUMBERED, explanations, find_code, read_texts
from netruntime.cli.init.command import STARTERS, next_steps

LENET = ROOT / "examples" / "lenet5.net"
MODEL = "net 1.0\n\nmodel Twice(x: f32[B, 2]) -> y: f32[B, 2] { return x * 2.0 }\n\n"


def every_command() -> dict[str, click.Command]:
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in COMMANDS}
    return {name: command for name, command in commands.items() if command is not None}


class TestTests:
    def test_passes_and_failures(self, tmp_path: Path) -> None:
        good = 'test "good" { expect Twice(ones([1, 2])) > 1.0 }\n'
        bad = 'test "bad" { expect Twice(ones([1, 2])) ~ ones([1, 2]) }\n'
        path = write(tmp_path, "twice.net", MODEL + good + bad)
        result = netrun("test", path)
        assert result.exit_code == 1
        assert result.stdout == "pass  good\nFAIL  bad\n1 test passed, 1 failed\n"
        assert "error[E0881]: the two sides differ by 1 at [0, 0], where they may by 1e-05" in result.stderr
        assert f"{path}:6:14" in result.stderr and "2 against 1; 2 of 2 values differ" in result.stderr

    def test_json(self, tmp_path: Path) -> None:
        path = write(
            tmp_path, "twice.net", MODEL + 'test "bad" {\n  expect Twice(ones([1, 2])) ~ ones([1, 2])\n}\n'
        )
        document = netrun_json("test", path)
        (test,) = document["tests"]
        assert document["ok"] is False
        assert (test["name"], test["line"], test["passed"], test["largest_difference"]) == (
            "bad",
            5,
            False,
            1,
        )
        assert document["diagnostics"][0]["code"] == "E0881"

    def test_a_file_without_tests(self, tmp_path: Path) -> None:
        result = netrun("test", write(tmp_path, "twice.net", MODEL))
        assert (result.exit_code, result.stdout) == (0, "the file has no tests\n")

    def test_a_model_that_is_not_there(self, tmp_path: Path) -> None:
        result = netrun("test", write(tmp_path, "twice.net", MODEL), "--model", "Twise")
        assert result.exit_code == 2
        assert "did you mean `Twice`?" in result.stderr

    def test_a_device_that_is_not_there(self, tmp_path: Path) -> None:
        assert netrun("test", write(tmp_path, "twice.net", MODEL), "--device", "tpu").exit_code == 4


class TestExplain:
    def test_a_code_has_its_text(self) -> None:
        result = netrun("explain", "E0922")
        assert result.exit_code == 0
        assert "E0922: undetermined sizes" in result.stdout
        assert "--size H=224 --size W=224" in result.stdout

    @pytest.mark.parametrize("given", ["E0922", "e0922", "922", "E922", " E0922 "])
    def test_codes_may_be_short(self, given: str) -> None:
        assert find_code(given, explanations(read_texts())) == "E0922"

    def test_codes_of_earlier_versions_lead_to_those_of_today(self) -> None:
        result = netrun("explain", "E1008")
        assert "E0831: a label that is not a class" in result.stdout
        assert result.stderr == "note: `E1008` is now `E0831`\n"
        assert [*RENUMBERED] == [f"E{number}" for number in range(1000, 1029)]
        assert set(RENUMBERED.values()) <= explanations(read_texts()).keys()

    def test_all_codes_are_listed(self) -> None:
        lines = netrun("explain").stdout.splitlines()
        codes = re.findall(r"^## (E\d{4}): ", read_texts(), re.MULTILINE)
        assert [line[:5] for line in lines] == sorted(codes)

    def test_the_nearest_code(self) -> None:
        known = {"E0301": ("a size", ""), "E0309": ("another", ""), "E0401": ("a value", "")}
        with pytest.raises(CommandLineError, match="the nearest is `E0309`: another"):
            find_code("E0308", known)
        with pytest.raises(CommandLineError, match="`netrun explain` lists all"):
            find_code("E0999", known)
        with pytest.raises(CommandLineError, match="`netrun explain` lists all"):
            find_code("qqqqqq", known)

    def test_json(self) -> None:
        document = netrun_json("explain", "E0909")
        assert document["code"] == "E0909" and document["title"] == "interrupted"
        assert "E0909" in netrun_json("explain")["codes"]

    def test_sections_are_cut_at_their_headings(self) -> None:
        text = "# Title\n\n## E0001: one\n\nfirst\n\n## E0002: two\n\nsecond\n"
        assert explanations(text) == {"E0001": ("one", "first"), "E0002": ("two", "second")}

    def test_no_code_is_explained_twice(self) -> None:
        codes = re.findall(r"^## (E\d{4}): ", read_texts(), re.MULTILINE)
        assert len(codes) == len(set(codes))

    def test_every_code_of_the_command_line_is_explained(self) -> None:
        source = ROOT / "runtime" / "netruntime"
        files = [*(source / "cli").rglob("*.py"), source / "engine" / "testing.py"]
        ours = {code for f in files for code in re.findall(r'"(E0[89]\d\d)"', f.read_text("utf-8"))}
        assert ours - {"E0850", "E0861", "E0871", "E0872"} <= explanations(read_texts()).keys()


def write_data(kind: str) -> None:
    """What the commands for a starter of this kind read."""
    label = np.arange(20) % 2
    if kind == "cnn":
        image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install netdsl[image]")
        image.new("RGB", (32, 32)).save("photo.png")
        for name in ("cat", "dog"):
            Path("photos", name).mkdir(parents=True)
            for n in range(5):
                image.new("RGB", (40, 32), (n, 0, 0)).save(Path("photos", name, f"{n}.png"))
    elif kind == "transformer":
        np.savez("data.npz", tokens=np.ones((20, 12), np.int64), label=label)
    else:
        name, shape = ("row", (20, 784)) if kind == "mlp" else ("signal", (20, 15, 8))
        np.savez("data.npz", label=label, **{name: np.ones(shape, np.float32)})


class TestInit:
    @pytest.mark.parametrize("kind", list(STARTERS))
    def test_each_kind_is_checked_tested_formatted_and_runs(
        self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert netrun("init", "my-first", "--kind", kind).exit_code == 0
        assert "model MyFirst(" in Path("my-first.net").read_text()
        write_data(kind)
        for command, _ in next_steps("my-first.net", kind):
            short = ["--epochs", "1", "--no-save"] if command.startswith("netrun train") else []
            result = netrun(*command.split()[1:], *short)
            assert result.exit_code == 0, (command, result.output)
        assert netrun("fmt", "--check", "my-first.net").exit_code == 0
        assert netrun("check", "--strict", "my-first.net").stderr == ""

    def test_it_says_what_to_do_next(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        lines = netrun("init").stdout.splitlines()
        assert lines[0] == "wrote model.net"
        assert lines[3] == "  netrun check model.net                                find mistakes"

    def test_nothing_is_overwritten_unless_forced(self, tmp_path: Path) -> None:
        path = write(tmp_path, "mine.net", "mine")
        result = netrun("init", tmp_path / "mine")
        assert result.exit_code == 4
        assert "already exists" in result.stderr and "--force" in result.stderr
        assert path.read_text() == "mine"
        assert netrun("init", tmp_path / "mine", "--force").exit_code == 0
        assert path.read_text().startswith("net 1.0\n")

    def test_a_link_to_nowhere_is_a_file_too(self, tmp_path: Path) -> None:
        (tmp_path / "mine.net").symlink_to(tmp_path / "elsewhere.net")
        assert netrun("init", tmp_path / "mine").exit_code == 4
        assert not (tmp_path / "elsewhere.net").exists()

    @pytest.mark.parametrize("name", ["", ".", "/", ".hidden", "a\nb", "a\0b"])
    def test_names_that_are_none(self, name: str) -> None:
        result = netrun("init", name)
        assert result.exit_code == 2
        assert "cannot name a .net file" in result.stderr

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        result = netrun("init", tmp_path / "no" / "digits")
        assert result.exit_code == 4
        assert "No such file or directory" in result.stderr

    def test_json(self, tmp_path: Path) -> None:
        document = netrun_json("init", tmp_path / "a", "--kind", "rnn")
        assert document == {"ok": True, "file": str(tmp_path / "a.net"), "kind": "rnn"}


class TestHelp:
    def test_every_command_has_examples_that_parse(self) -> None:
        for name, command in every_command().items():
            text = netrun(name, "--help").stdout
            assert "Example" in text and f"netrun {name}" in text, name
            assert command.help

    def test_exit_codes_are_told(self) -> None:
        text = netrun("--help").stdout
        assert "  3  data, weights or a checkpoint do not fit the model, or training diverged" in text
        assert "130  interrupted" in text

    def test_the_guide_tells_the_same_exit_codes(self) -> None:
        from netruntime.cli.common.failures import EXIT_CODES

        guide = (ROOT / "docs" / "cli.md").read_text("utf-8")
        for code, words in EXIT_CODES.items():
            assert f"| {code} | {words} |" in guide

    def test_the_guide_names_every_option(self) -> None:
        guide = (ROOT / "docs" / "cli.md").read_text("utf-8")
        for name, command in every_command().items():
            assert f"## `netrun {name}" in guide
            for parameter in command.params:
                for option in parameter.opts:
                    assert not option.startswith("--") or f"`{option}" in guide, (name, option)

    def test_version(self) -> None:
        assert re.match(r"netrun (\d+\.\d+|\(from a source tree)", netrun("--version").stdout)


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_a_script_for_each_shell(self, shell: str) -> None:
        result = netrun("completion", shell)
        assert result.exit_code == 0
        assert f"_NETRUN_COMPLETE={shell}_complete" in result.stdout

    @pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
    def test_the_script_is_bash(self) -> None:
        script = netrun("completion", "bash").stdout
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0

    def test_commands_are_completed(self) -> None:
        asked = {"_NETRUN_COMPLETE": "bash_complete", "COMP_WORDS": "netrun ch", "COMP_CWORD": "1"}
        done = start(env=asked)
        assert done.stdout.split() == ["plain,check"]


def test_the_list_of_commands_is_never_cut() -> None:
    shown = " ".join(netrun("--help").stdout.split())
    assert "..." not in shown.partition("Commands:")[2]
    assert "Check .net files: names, shapes, element types, and tests of types." in shown


def test_the_first_session_works_to_the_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    help = netrun("--help").stdout
    commands = re.findall(r"^    netrun (.*?)(?:   |$)", help, re.MULTILINE)
    assert len(commands) == 5
    for line in commands:
        words = line.strip().split()
        result = netrun(*words, *(["--steps", "1", "--no-save"] if words[0] == "train" else []))
        assert result.exit_code == 0, (line, result.output)


def test_the_help_of_train_is_grouped() -> None:
    help = netrun("train", "--help").stdout
    wanted = ["Data:", "How data is read:", "The run:", "The engine:", "The file:", "Output:", "Other:"]
    assert headings(help) == wanted
    assert help.index("--epochs") < help.index("--out PATH") and help.count("  --resize ") == 1


@pytest.mark.parametrize("command", ["train", "run", "eval", "predict", "generate", "profile"])
def test_every_option_of_a_long_help_is_in_a_group(command: str) -> None:
    help = netrun(command, "--help").stdout
    assert {"How data is read:", "The engine:", "Output:"} <= set(headings(help))
    assert re.findall(r"^  --?(\w+)", help.partition("\nOther:\n")[2], re.MULTILINE) == ["h"]


def headings(help: str) -> list[str]:
    return [line for line in help.splitlines() if re.fullmatch(r"[A-Z][a-z ]+:", line)]


def test_a_model_without_its_suffix_is_helped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "`netrun init` writes one" in netrun("run", "lenet5").stderr
    netrun("init", "lenet5")
    assert "did you mean `lenet5.net`?" in netrun("run", "lenet5").stderr


def test_a_model_is_not_proposed_as_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    netrun("init", "digits")
    assert "digits.net`?" not in netrun("train", "digits.net", "--data", "digits.npz").stderr
