"""Imports of odd paths in a folder of odd files: nothing outside the folder is read or named."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from random import Random

from fuzz.campaign import showing
from netdsl.checker import check
from netdsl.diagnostics import NetError
from netdsl.modules import load_module
from netdsl.source import Source

SHORT = 200
PARTS = """a b good.net good secret.net secrex.net link.net linked up loop.net pipe.net . .. ~ / // \\\\ :
\\u0000 \\ud800 é .net net x.net.net secret deep""".split()


@cache
def folder() -> Path:
    """A folder with files, folders, links out of it, a link to itself and a pipe; and a secret beside it."""
    top = Path(tempfile.mkdtemp())
    root = top / "root"
    (root / "a" / "b").mkdir(parents=True)
    for path in ("secret.net", "root/good.net", "root/a/good.net", "root/a/b/good.net"):
        name = "Secret" if path == "secret.net" else "Good"
        (top / path).write_text(f"net 1.0\nblock {name} = relu\n")
    (root / "link.net").symlink_to(top / "secret.net")
    (root / "linked").symlink_to(top)
    (root / "a" / "up").symlink_to("..")
    (root / "loop.net").symlink_to("loop.net")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "pipe.net")
    return root


def trial(random: Random) -> str:
    words = random.choices(PARTS, k=random.choice([1, 1, 2, 3, 200]))
    path = random.choice(["/", "/", ""]).join(words) * random.choice([1, 1, 1, 30])
    text = f'net 1.0\nimport "{path}"\nmodel M(x: f32[B]) {{ return x -> Secret }}\n'
    with showing(text):
        try:
            check(load_module(Source("main.net", text), folder()))
        except NetError as wrong:
            helps = [d.help or "" for d in wrong.diagnostics if d.code.startswith("E061")]
            assert not any("`secret.net`" in help for help in helps), str(wrong)
            return "refused"
    raise AssertionError("a block outside the folder was read")
