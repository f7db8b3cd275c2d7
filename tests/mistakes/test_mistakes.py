"""Mistakes of users, one a folder: the network, the commands, and all that they print.

`NETDSL_UPDATE=1 pytest tests/mistakes` writes the expectations anew; read them before you commit them.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from netruntime.cli.app import cli

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/cmd"))
UPDATE = os.environ.get("NETDSL_UPDATE") == "1"


def printed(case: Path) -> str:
    """What the commands of a case print, run in its folder."""
    parts = []
    for command in case.joinpath("cmd").read_text().split(" ; "):
        words = shlex.split(command.strip().rpartition("; ")[2])
        if words[:1] == ["netrun"]:
            result = CliRunner().invoke(cli, words[1:])
            parts.append(f"$ {shlex.join(words)}\n{result.output}[exit {result.exit_code}]\n")
    text = re.sub(r"[\d.]+ [KMGT]iB are free", "7 GiB are free", "\n".join(parts))
    return re.sub(r"  \d:\d\d$", "  0:00", text, flags=re.MULTILINE)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_mistake(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(case, tmp_path / case.name)
    (tmp_path / "data").symlink_to(HERE / "data")
    (tmp_path / case.name / "photos").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / case.name)
    text = printed(tmp_path / case.name)
    expected = case / "expected.txt"
    if UPDATE:
        expected.write_text(text)
    assert text == expected.read_text()
