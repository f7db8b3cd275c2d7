"""`netrun check --fix`, `--diff`, and edits in JSON."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from command_line import netrun, netrun_json, write

WRONG = """net 1.0

model M(x: f32[B, 3]) -> y: f32[B, 3] {
  let _scale = 2
  let _on = True
  return x -> rellu
}
"""
RIGHT = WRONG.replace("True", "true").replace("rellu", "relu")


def test_fix_corrects_the_file_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, "m.net", WRONG)
    path.chmod(0o640)
    result = netrun("check", path, "--fix")
    assert path.read_text() == RIGHT
    assert result.exit_code == 0
    assert f"fixed: {path}:6:15: replace `rellu` with `relu`" in result.stderr
    assert result.stdout.startswith("M(x: f32[B, 3])")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_diff_prints_and_writes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "m.net", WRONG)
    result = netrun("check", path, "--diff", "--fix")
    assert result.exit_code == 1
    assert "-  return x -> rellu\n" in result.stdout and "+  return x -> relu\n" in result.stdout
    assert path.read_text() == WRONG


def test_standard_input_is_corrected_on_standard_output() -> None:
    result = netrun("check", "-", "--fix", input=WRONG)
    assert (result.exit_code, result.stdout) == (0, RIGHT)


def test_standard_input_is_checked() -> None:
    result = netrun("check", "-", input=WRONG)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "<stdin>:6:15" in result.stderr


def test_what_is_left_decides_the_exit_code(tmp_path: Path) -> None:
    path = write(tmp_path, "m.net", WRONG.replace("let _scale = 2", "let _scale = 2 + zzz"))
    result = netrun("check", path, "--fix")
    assert result.exit_code == 1
    assert "x -> relu\n" in path.read_text()
    assert "`zzz` is not known here" in result.stderr and "rellu" not in result.stderr.split("error")[1]


def test_an_edit_that_brings_a_new_error_is_left_out(tmp_path: Path) -> None:
    text = WRONG.replace("x -> rellu", "x -> reshappe([7])").replace("True", "true")
    path = write(tmp_path, "m.net", text)
    result = netrun("check", path, "--fix")
    assert path.read_text() == text
    assert result.exit_code == 1
    assert "did you mean `reshape`?" in result.stderr


def test_a_file_without_certain_edits_is_not_touched(tmp_path: Path) -> None:
    path = write(tmp_path, "m.net", RIGHT)
    before = path.stat()
    assert netrun("check", path, "--fix").exit_code == 0
    assert path.stat() == before


def test_an_import_is_corrected_where_it_is_named(tmp_path: Path) -> None:
    part = write(
        tmp_path, "part.net", "net 1.0\n\nblock Half(x: [B, D]) -> [B, D] {\n  return x -> rellu\n}\n"
    )
    main = write(
        tmp_path,
        "main.net",
        'net 1.0\n\nimport "part.net"\n\nmodel M(x: f32[B, 3]) -> y: f32[B, 3] {\n  return x -> Half\n}\n',
    )
    text = part.read_text()
    assert netrun("check", main, "--fix").exit_code == 1
    assert part.read_text() == text
    netrun("check", part, main, "--fix")
    assert "x -> relu\n" in part.read_text()


def test_json_holds_each_finding_once_with_its_edit(tmp_path: Path) -> None:
    text = WRONG
    path = write(tmp_path, "m.net", text)
    document = netrun_json("check", path)
    first, second = document["diagnostics"]
    assert (first["message"], second["message"]) == ("`True` is not known here", "`rellu` is not known here")
    assert second["checked"] == str(path)
    (edit,) = second["fixes"]
    assert text[edit["start"] : edit["end"]] == "rellu"
    assert edit["range"] == {"start": {"line": 5, "character": 14}, "end": {"line": 5, "character": 19}}
    assert (edit["text"], edit["certain"], edit["file"]) == ("relu", True, str(path))
    assert "diagnostics" not in document["files"][0]


def test_json_says_what_was_applied(tmp_path: Path) -> None:
    path = write(tmp_path, "m.net", WRONG)
    document = netrun_json("check", path, "--fix")
    assert document["ok"] is True
    assert [edit["text"] for edit in document["files"][0]["applied"]] == ["true", "relu"]


def test_characters_of_a_range_are_utf_16(tmp_path: Path) -> None:
    text = 'net 1.0\n\ntest "t" {\n  expect "\U0001d54f\U0001d54f" == "a" or True\n}\n'
    (found,) = netrun_json("check", write(tmp_path, "m.net", text))["diagnostics"]
    (edit,) = found["fixes"]
    assert edit["range"]["start"]["character"] == len(text.split("\n")[3].partition("True")[0]) + 2


@pytest.mark.parametrize("option", ["--fix", "--diff"])
def test_a_missing_file_is_reported(option: str, tmp_path: Path) -> None:
    assert netrun("check", tmp_path / "none.net", option).exit_code == 4
