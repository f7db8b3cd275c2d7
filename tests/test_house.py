"""The measures of the code: how long a function and a file may be, how many arguments and neighbours."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_POSITIONAL = 6
MAX_FILES_IN_FOLDER = 16
PACKAGES = ("dsl", "runtime")


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST, in_class: bool = False) -> Iterator[tuple[Function, bool]]:
    """Every function with whether its first argument is `self` or `cls`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
            yield node, in_class and not static
        yield from functions(node, isinstance(node, ast.ClassDef))


def docstring_lines(function: Function) -> int:
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    return (first.end_lineno or 0) - first.lineno + 1 if documented else 0


def excesses(source: str) -> dict[str, str]:
    """What is too large in a file, by the name of the function."""
    found = {}
    for function, is_method in functions(ast.parse(source)):
        positional = len(function.args.posonlyargs) + len(function.args.args) - is_method
        lines = (function.end_lineno or 0) - function.lineno + 1 - docstring_lines(function)
        if positional > MAX_POSITIONAL:
            found[function.name] = f"{positional} positional arguments"
        elif lines > MAX_FUNCTION_LINES:
            found[function.name] = f"{lines} lines"
    return found


def all_excesses(root: Path) -> dict[str, str]:
    """What is too large in the packages below a folder, by path and the name of the function."""
    found = {}
    files = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    for path in files:
        name = path.relative_to(root).as_posix()
        source = path.read_text()
        found |= {f"{name}:{function}": text for function, text in excesses(source).items()}
        if len(source.splitlines()) > MAX_FILE_LINES:
            found[name] = f"{len(source.splitlines())} lines"
    for folder, count in Counter(path.parent for path in files).items():
        if count > MAX_FILES_IN_FOLDER:
            found[folder.relative_to(root).as_posix()] = f"{count} files"
    return found


def test_nothing_is_too_large() -> None:
    assert all_excesses(ROOT) == {}


def test_names_of_test_files_differ() -> None:
    """pytest cannot collect two files of one name whose folders are not packages."""
    files = [
        path for path in (ROOT / "tests").rglob("test_*.py") if not (path.parent / "__init__.py").exists()
    ]
    counts = Counter(path.name for path in files)
    assert [name for name, count in counts.items() if count > 1] == []


def test_limits_of_files_and_folders(tmp_path: Path) -> None:
    for name, lines in (("dsl/long.py", 401), ("dsl/full.py", 400), ("runtime/a/f.py", 1)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n" * lines)
    for n in range(16):
        (tmp_path / f"runtime/a/f{n}.py").touch()
    assert all_excesses(tmp_path) == {"dsl/long.py": "401 lines", "runtime/a": "17 files"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(a, b, c, d, e, g): ...", {}),
        ("def f(a, b, c, d, e, g, h): ...", {"f": "7 positional arguments"}),
        ("def f(a, b, c, *, d, e, g, h): ...", {}),
        ("class A:\n  def f(self, a, b, c, d, e, g): ...", {}),
        ("class A:\n  @staticmethod\n  def f(a, b, c, d, e, g, h): ...", {"f": "7 positional arguments"}),
        ("def f():\n" + "  x = 1\n" * 40, {"f": "41 lines"}),
        ("async def f():\n" + "  x = 1\n" * 40, {"f": "41 lines"}),
        ('def f():\n  """A.\n\n  B."""\n' + "  x = 1\n" * 38, {}),
    ],
)
def test_measures(source: str, expected: dict[str, str]) -> None:
    assert excesses(source) == expected
