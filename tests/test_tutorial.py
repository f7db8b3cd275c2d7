"""The tutorial followed word for word: files written, commands run in order, outputs compared."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`(\w+\.(?:net|py))`")

Command = tuple[str, list[str]]
"""A command line and the lines that the page shows below it."""


def test_the_tutorial_runs_as_written(tmp_path: Path) -> None:
    place, environment = workplace(tmp_path)
    run = 0
    for before, language, body in blocks(PAGE.read_text("utf-8")):
        if language in ("net", "python"):
            names = FILE.findall(before)
            assert names, f"no file name before {body[:80]!r}"
            (place / names[-1]).write_text(body, "utf-8")
        elif language == "console":
            for command, shown in commands(body):
                printed = output(command, place, environment)
                assert agrees(shown, printed), f"$ {command}\n{printed}"
                run += 1
    assert run >= 25


def test_the_console_of_the_command_line_is_as_printed(tmp_path: Path) -> None:
    place, environment = workplace(tmp_path)
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    run = 0
    for body in (body for _, language, body in blocks(page) if language == "console"):
        for command, shown in commands(body):
            printed = output(command, place, environment)
            assert agrees(shown, printed), f"$ {command}\n{printed}"
            run += 1
    assert run >= 7


def test_every_block_is_of_a_known_kind() -> None:
    kinds = {language for _, language, _ in blocks(PAGE.read_text("utf-8"))}
    assert kinds == {"sh", "console", "net", "python"}


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a  1.000", "a 1.001", True),
        ("a  1.000", "a 1.100", False),
        ("a  100", "a 101", False),
        ("99.9%", "99.8%", True),
        ("first\n...\nlast", "first\nx\ny\nlast", True),
        ("first\n...\nlast", "first\nlast", True),
        ("first\n...", "first\nx", True),
        ("first", "first\nx", False),
        ("first\n...\nlast", "first\nx", False),
        ("──", "────", True),
    ],
)
def test_outputs_are_compared(shown: str, printed: str, same: bool) -> None:
    assert agrees(shown.split("\n"), printed) is same


def workplace(folder: Path) -> tuple[Path, dict[str, str]]:
    """The folder `play` beside the examples, and an environment with `netrun` and `python` installed."""
    place = folder / "play"
    place.mkdir()
    shutil.copytree(ROOT / "examples", folder / "examples")
    programs = folder / "bin"
    programs.mkdir()
    python = shlex.quote(sys.executable)
    start = shlex.quote("from netruntime.cli import main; main()")
    for name, command in (("python", python), ("netrun", f"{python} -c {start}")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', "utf-8")
        program.chmod(0o755)
    sources = os.pathsep.join(str(ROOT / name) for name in ("dsl", "runtime", "grammars"))
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    return place, os.environ | {"PATH": path, "PYTHONPATH": sources, "PYTHONIOENCODING": "utf-8"}


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """The text since the block before, the language and the body of each fenced block."""
    end = 0
    for found in BLOCK.finditer(page):
        yield page[end : found.start()], found[1], found[2]
        end = found.end()


def commands(body: str) -> list[Command]:
    found: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def output(command: str, place: Path, environment: dict[str, str]) -> str:
    """What a command prints, its errors too, in the order of printing."""
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    return done.stdout.decode("utf-8")


def agrees(shown: list[str], printed: str) -> bool:
    """Whether the output is as shown: spaces aside, fractions to 2 %, with any lines in place of `...`."""
    return lines_agree([words(line) for line in shown if words(line)], split_lines(printed))


def split_lines(text: str) -> list[list[str]]:
    return [words(line) for line in text.splitlines() if words(line)]


def words(line: str) -> list[str]:
    return re.sub("─+", "─", line).split()


def lines_agree(shown: list[list[str]], printed: list[list[str]]) -> bool:
    if not shown:
        return not printed
    if shown[0] == ["..."]:
        return any(lines_agree(shown[1:], printed[n:]) for n in range(len(printed) + 1))
    if not printed or len(shown[0]) != len(printed[0]):
        return False
    return all(map(word_agrees, shown[0], printed[0])) and lines_agree(shown[1:], printed[1:])


def word_agrees(shown: str, printed: str) -> bool:
    if shown == printed:
        return True
    number = re.compile(r"-?\d+\.\d+%?|\d+%")
    shown, printed = shown.rstrip(";,"), printed.rstrip(";,")
    if not number.fullmatch(shown) or not number.fullmatch(printed):
        return False
    return math.isclose(float(shown.rstrip("%")), float(printed.rstrip("%")), rel_tol=0.02, abs_tol=0.02)
