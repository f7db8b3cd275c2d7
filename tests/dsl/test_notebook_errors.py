"""In a notebook an error is its message, without the calls inside the library."""

from __future__ import annotations

import pytest

from netdsl.checker import check
from netdsl.diagnostics import NetError
from netdsl.modules import load_module
from netdsl.source import Source


def test_ipython_is_given_the_message_alone() -> None:
    with pytest.raises(NetError) as caught:
        check(load_module(Source("m.net", "net 1.0\nmodel M(x: f32[B]) { return nope }\n")))
    assert caught.value._render_traceback_() == str(caught.value).splitlines()
    assert caught.value._render_traceback_()[0].startswith("error[E0201]")
