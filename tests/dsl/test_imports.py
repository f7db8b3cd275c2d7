"""Imports that cannot be had: out of the folder, round in a circle, not text, not a file."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from netdsl.checker import check
from netdsl.diagnostics import NetError
from netdsl.modules import MAX_IMPORTS, load_module, read_source
from netdsl.source import Source


def complaint(folder: Path, **files: str) -> NetError:
    """What is said about `main.net` beside other files."""
    for name, text in files.items():
        (folder / f"{name}.net").write_text(f"net 1.0\n{text}\n")
    with pytest.raises(NetError) as caught:
        check(load_module(read_source(folder / "main.net", "main.net"), folder))
    return caught.value


def test_two_files_that_import_each_other(tmp_path: Path) -> None:
    found = complaint(tmp_path, main='import "a.net"', a='import "b.net"', b='import "a.net"')
    assert found.code == "E0612"
    assert "circular import: a.net -> b.net -> a.net" in str(found)
    assert "--> b.net:2:1" in str(found)


def test_a_file_that_imports_itself(tmp_path: Path) -> None:
    found = complaint(tmp_path, main='import "main.net"')
    assert "main.net -> main.net" in str(found) and found.code == "E0612"


def test_a_broken_file_is_reported_once_and_is_no_circle(tmp_path: Path) -> None:
    found = complaint(
        tmp_path, main='import "a.net"\nimport "b.net"', a='import "c.net"', b='import "c.net"', c="oops"
    )
    assert [d.code for d in found.diagnostics] == ["E0105"]


def test_a_long_chain_of_imports(tmp_path: Path) -> None:
    files = {f"m{n}": f'import "m{n + 1}.net"' for n in range(MAX_IMPORTS + 2)}
    found = complaint(tmp_path, main='import "m0.net"', **files)
    assert found.code == "E0612" and f"more than {MAX_IMPORTS} deep" in str(found)


def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.net").write_text("net 1.0\n")
    (inner / "link.net").symlink_to(tmp_path / "secret.net")
    found = complaint(inner, main='import "link.net"')
    assert found.code == "E0610" and "is a link" in str(found)


def test_a_linked_folder_out_of_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.net").write_text("net 1.0\n")
    (inner / "up").symlink_to(tmp_path)
    assert complaint(inner, main='import "up/secret.net"').code == "E0610"


def test_a_link_inside_the_folder_is_not_followed(tmp_path: Path) -> None:
    """It could be made to lead out of the folder at any moment."""
    (tmp_path / "real.net").write_text("net 1.0\nblock A = relu\n")
    (tmp_path / "link.net").symlink_to(tmp_path / "real.net")
    found = complaint(tmp_path, main='import "link.net"')
    assert found.code == "E0610" and "put a copy of what it leads to" in str(found)


@pytest.mark.parametrize("has_handles", [True, False])
def test_folders_below(tmp_path: Path, has_handles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With directory handles, and as where the system has none."""
    monkeypatch.setattr("netdsl.folders.HAS_HANDLES", has_handles)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.net").write_text('net 1.0\nimport "d.net"\nblock C = relu\n')
    (tmp_path / "a" / "b" / "d.net").write_text("net 1.0\nblock D = relu\n")
    (tmp_path / "main.net").write_text('net 1.0\nimport "a/./b//c.net"\n')
    module = load_module(read_source(tmp_path / "main.net"), tmp_path)
    assert list(module.imported) == ["C"] and not module.findings
    (tmp_path / "l").symlink_to(tmp_path / "a")
    for path in ("l/b/c.net", "a/b", "a/b/c.net/x.net", "a/b/e.net", "a", "x" * 5000 + ".net"):
        assert complaint(tmp_path, main=f'import "{path}"').code in ("E0610", "E0611")


def test_hints_name_no_file_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.net").touch()
    (tmp_path / "root" / "b").mkdir(parents=True)
    (tmp_path / "root" / "b" / "secret.net").symlink_to(tmp_path / "outside" / "secret.net")
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "outside")
    for folder in ("linked", "b"):
        found = complaint(tmp_path / "root", main=f'import "{folder}/secrex.net"')
        assert "secret" not in str(found)


def test_a_file_that_is_replaced_while_it_is_read(tmp_path: Path) -> None:
    """Another process puts a link out of the folder in the place of the file, again and again."""
    (tmp_path / "out.net").write_text("net 1.0\nblock Leak = relu\n")
    root = tmp_path / "root"
    root.mkdir()
    (root / "good").write_text("net 1.0\nblock Good = relu\n")
    outcomes = set()
    with Replacing(root / "p.net", root / "good", tmp_path / "out.net"):
        for _ in range(500):
            module = load_module(Source("main.net", 'net 1.0\nimport "p.net"\n'), root)
            outcomes |= set(module.imported) | {d.code for d in module.findings}
    assert outcomes <= {"Good", "E0610", "E0611"} and "Good" in outcomes


class Replacing:
    """A thread that makes a path a hard link to one file and a symbolic link to another, in turns."""

    def __init__(self, path: Path, good: Path, bad: Path) -> None:
        self.path, self.good, self.bad = path, good, bad
        self.is_over = False
        self.thread = Thread(target=self.run)

    def run(self) -> None:
        new = self.path.with_name("new")
        while not self.is_over:
            new.hardlink_to(self.good)
            new.replace(self.path)
            new.unlink(missing_ok=True)
            new.symlink_to(self.bad)
            new.replace(self.path)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        self.thread.join()


def test_a_device_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.net")
    found = complaint(tmp_path, main='import "pipe.net"')
    assert found.code == "E0611" and "`pipe.net` is a device or a pipe, not a file" in str(found)


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop.net").symlink_to(tmp_path / "loop.net")
    assert complaint(tmp_path, main='import "loop.net"').code == "E0610"


def test_a_nul_in_the_path(tmp_path: Path) -> None:
    assert complaint(tmp_path, main='import "a\\u0000.net"').code == "E0610"


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "latin.net").write_bytes("net 1.0\n# caf\xe9\n".encode("latin-1"))
    found = complaint(tmp_path, main='import "latin.net"')
    assert found.code == "E0613"
    assert "`latin.net` is not UTF-8 text: byte 13 on line 2" in str(found)


def test_a_file_without_permission_or_name(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="cannot be read: No such file or directory") as caught:
        read_source(tmp_path / "none.net", "none.net")
    assert caught.value.code == "E0613"


def test_text_without_a_file_imports_nothing() -> None:
    with pytest.raises(NetError, match="text that is not in a file cannot import") as caught:
        check(load_module(Source("<text>", 'net 1.0\nimport "a.net"\n')))
    assert caught.value.code == "E0610"
