"""What a command imports: nothing that takes long and is not used. No clock is read here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from command_line import start

from netruntime.cli.common.output import print_table, screen_width

ROOT = Path(__file__).parents[3]
LENET = ROOT / "examples" / "lenet5.net"
PICTURE = ROOT / "examples" / "data" / "digit-7.png"
RUN = ("run", LENET, "--input", f"image={PICTURE}", "--resize", "stretch")
NEVER = (
    "cupy lark matplotlib networkx numpy.ma rich tokenizers concurrent.futures importlib.metadata "
    "netdsl.checker.ways.offer netdsl.parsing.habits netdsl.parsing.mistakes "
    "netruntime.charts netruntime.draw netruntime.generation netruntime.profiling netruntime.train"
).split()
FOR_A_CHECK = "hashlib numpy netdsl.graph netruntime.data netruntime.engine netruntime.native PIL".split()

CODE = """
import sys, types
bare = types.ModuleType('netruntime')  # its own `__init__` names everything that Python code may need
bare.__path__ = [{path!r}]
sys.modules['netruntime'] = bare
from netruntime.cli.app import cli
try:
    cli.main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(*sorted(sys.modules))
"""


@pytest.mark.parametrize(
    ("command", "slow"),
    [
        (("check", LENET), [*NEVER, *FOR_A_CHECK]),
        (("check", *sorted((ROOT / "examples").glob("*.net"))), [*NEVER, *FOR_A_CHECK]),
        (RUN, [*NEVER, "hashlib"]),
        (("run", LENET, "--input", "random"), [*NEVER, "PIL"]),
    ],
    ids=["check", "check many", "run", "run without a picture"],
)
def test_a_command_imports_none_of_what_it_does_not_use(command: tuple[str, ...], slow: list[str]) -> None:
    done = start(*command, start_code=CODE.format(path=str(ROOT / "runtime" / "netruntime")))
    assert done.returncode == 0, done.stderr
    imported = done.stdout.splitlines()[-1].split()
    assert [name for name in slow if name in imported] == []


def test_classes_of_immutable_values_are_declared_as_such() -> None:
    """A frozen dataclass takes twenty times as long to make; one with slots is declared by `dataclass`.

    So is the one of the build, which imports nothing of the package.
    """
    frozen = []
    for path in [*(ROOT / "dsl").rglob("*.py"), *(ROOT / "runtime").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                texts = [ast.unparse(decorator) for decorator in node.decorator_list]
                frozen += [
                    f"{path.name}:{node.name}" for t in texts if "frozen=True" in t and "slots" not in t
                ]
    assert frozen == ["build.py:Target"]


@pytest.mark.parametrize("right", [(), ("min", "mean")])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_table_that_fits_looks_as_rich_draws_it(
    count: int, right: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    headings = ["output", "min", "mean", "first values"]
    rows = [["x" * (1 + n), f"{n * 7.25}", "-1", "0.5  " * n] for n in range(count)]
    shown = []
    for fits in (True, False):
        if not fits:
            monkeypatch.setattr("netruntime.cli.common.output.screen_width", lambda: 1)
            monkeypatch.setattr("netruntime.cli.common.output.console", lambda: _console())
        print_table(headings, rows, right)
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] and shown[0].count("\n") == count + 2


def _console() -> object:
    from rich.console import Console

    return Console(highlight=False, width=160, color_system=None)


def test_a_table_wider_than_the_screen_is_folded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert screen_width() == 20
    print_table(["a", "b"], [["x" * 30, "y"]])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 20 and "".join(lines).count("x") == 30


def test_a_table_with_wide_characters_is_aligned_by_their_width(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["a", "b"], [["日本", "1"], ["x", "2"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "日本   1" and lines[3] == "x      2"
