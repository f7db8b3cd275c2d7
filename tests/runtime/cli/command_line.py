"""Running `netrun` in tests: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from netruntime.cli.app import cli

ROOT = Path(__file__).parents[3]
START = "from netruntime.cli import main; main()"

PAIR = """net 1.0

model Pair(image: f32[B, 3, H, W], mask: f32[B, 1, H, W]) -> (masked: f32[B, 3, H, W], size: f32[B]) {
  masked = image * mask
  size = mask -> mean(over=[1, 2, 3])
  return masked, size
}
"""

SCORES = """net 1.0

config { gain: float = 1.0 }

model Scores(x: f32[B, 3]) -> logits: f32[B, 3] {
  return x * gain -> kept: relu
}
"""


def netrun(*args: object, input: bytes | str | None = None) -> Result:
    """The result of `netrun ARGS`; a crash of netrun itself fails the test."""
    result = CliRunner().invoke(cli, [str(arg) for arg in args], input=input)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    assert result.exit_code != 70, result.output
    return result


def netrun_json(*args: object) -> Any:
    """The one JSON document that `netrun ARGS --json` prints."""
    result = netrun(*args, "--json")
    return json.loads(result.stdout)


def start(*args: object, start_code: str = START, **options: Any) -> subprocess.CompletedProcess[str]:
    """`netrun ARGS` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", start_code, *map(str, args)],
        capture_output=True,
        text=True,
        env=environment(options.pop("env", {})),
        timeout=120,
        **options,
    )


def environment(extra: dict[str, str]) -> dict[str, str]:
    """The environment of such a process: the source roots on the path, and no colours asked for."""
    roots = os.pathsep.join(str(ROOT / name) for name in ("dsl", "runtime", "grammars"))
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    return {**kept, "PYTHONPATH": roots, "OMP_NUM_THREADS": "1", **extra}


def write(folder: Path, name: str, text: str) -> Path:
    """A file with a text."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path
