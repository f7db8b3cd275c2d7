"""In a notebook an error shows the user's calls and the message, without the calls inside the library."""

from __future__ import annotations

import linecache

import pytest

from netdsl.diagnostics import NetError

CELL = """from netdsl.checker import check
from netdsl.modules import load_module
from netdsl.source import Source

def build(text):
    return check(load_module(Source("m.net", text)))

net = build("net 1.0\\nmodel M(x: f32[B]) { return nope }\\n")
"""
FILE = "<ipython-input-1-0>"


@pytest.mark.parametrize(
    ("module", "places"), [("__main__", ("line 8", "line 6")), ("mine", (f"{FILE}:8", f"{FILE}:6"))]
)
def test_ipython_shows_the_calls_of_the_user(
    module: str, places: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(linecache.cache, FILE, (len(CELL), None, CELL.splitlines(keepends=True), FILE))
    with pytest.raises(NetError) as caught:
        exec(compile(CELL, FILE, "exec"), {"__name__": module})
    first, *lines = _shown(caught.value)
    assert first == f"{places[0]}: {CELL.splitlines()[7]}"
    assert lines == [f"{places[1]}: {CELL.splitlines()[5].strip()}", *str(caught.value).splitlines()]


def test_an_error_that_was_not_raised_is_its_message() -> None:
    with pytest.raises(NetError) as caught:
        exec(CELL, {})
    error = type(caught.value)(caught.value.diagnostics)
    assert error._render_traceback_() == str(error).splitlines()


def _shown(error: NetError) -> list[str]:
    """What IPython shows, from the frame of the cell on: it skips its own, and a test has its own above."""
    shown = error._render_traceback_()
    assert "_shown" not in shown[0] and "exec(compile" in shown[0]
    return shown[1:]
