"""Optional packages: the one line that says what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from netruntime.errors import MissingExtraError, need_extra, shown


def test_a_module_that_is_there_is_imported() -> None:
    assert need_extra("json.decoder", "text", "reading").__name__ == "json.decoder"


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_an_absent_package_names_the_extra_in_one_line(module: str) -> None:
    with pytest.raises(MissingExtraError) as caught:
        need_extra(module, "image", "reading PNG and JPEG images")
    assert str(caught.value) == (
        "error[E0901]: reading PNG and JPEG images needs `no_such_package`, which is not installed: "
        'pip install "netdsl[image]"'
    )


@pytest.mark.parametrize("body", ["import no_such_dependency", "raise ImportError('no driver\\nat all')"])
def test_a_broken_package_is_told_from_an_absent_one(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_package", raising=False)
    with pytest.raises(MissingExtraError, match=r"E0902.*installed but cannot be imported: ") as caught:
        need_extra("broken_package", "text", "splitting text")
    assert 'pip install --force-reinstall "netdsl[text]"' in str(caught.value)
    assert "at all" not in str(caught.value)


def test_names_from_outside_are_shown_safely() -> None:
    assert shown("a\n\x1b[31m") == "`a\\n\\x1b[31m`"
    assert shown("x" * 500) == f"`{'x' * 160}...`"
