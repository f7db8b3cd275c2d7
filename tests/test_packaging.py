"""The wheel and the source archive: what they carry, and that an example runs from an empty environment."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def test_the_wheel_carries_grammar_std_and_explanations(archives: tuple[Path, Path]) -> None:
    names = set(zipfile.ZipFile(archives[0]).namelist())
    needed = {
        "netgrammar/net.lark",
        "netgrammar/tokens.lark",
        "netgrammar/tables.json",
        "netdsl/explanations.md",
        "netdsl/py.typed",
    }
    needed |= {f"netdsl/std/{path.name}" for path in (ROOT / "dsl/netdsl/std").glob("*.net")}
    assert needed <= names
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"netdsl", "netruntime", "netgrammar"}


def test_the_source_archive_builds_the_same(archives: tuple[Path, Path]) -> None:
    with tarfile.open(archives[1]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "examples/lenet5.net",
        "dsl/netdsl/std/dense.net",
    } <= names


def test_an_example_runs_from_an_empty_environment(archives: tuple[Path, Path], tmp_path: Path) -> None:
    """The wheel alone in a new environment; its dependencies are lent by path, so no network is needed."""
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(archives[0])]
    subprocess.run(install, check=True, capture_output=True)
    site = next((home / "lib").glob("python*/site-packages"))
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    example = tmp_path / "lenet5.net"
    example.write_text((ROOT / "examples/lenet5.net").read_text("utf-8"), "utf-8")
    netrun = home / "bin" / "netrun"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [str(netrun), "run", str(example), "--input", "random", "--json"]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"logits"' in done.stdout
    where = [str(python), "-c", "import netdsl, netruntime; print(netdsl.__file__, netruntime.__file__)"]
    assert str(ROOT) not in subprocess.run(where, cwd=elsewhere, capture_output=True, text=True).stdout
