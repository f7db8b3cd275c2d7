"""Runs the tests of the device on the emulated one, part by part: `make cuda-emulated`, or `--short` for CI.

python tests/emulated/run.py [--short] [--if-present] [--list] [PART ...]
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from emulated import kit

PLUGIN = ("-p", "cuda_on_cpu.plugin")
EVERYWHERE = ("-p", "emulated.everywhere")


@dataclass(frozen=True)
class Part:
    """One run of pytest, or of another command of Python.

    Args:
        arguments: What follows `python -m pytest`.
        short: What follows it in CI; None leaves the part out there.
    """

    name: str
    about: str
    arguments: Sequence[str]
    short: Sequence[str] | None = None


SHORT_LIMIT = 300.0
"""Seconds after which `--short` stops, on a machine that is busy: it compiles some 120 kernels one by one."""


PARTS = [
    Part(
        "counts",
        "launches and waits of small networks",
        [*PLUGIN, "tests/emulated/test_counts.py"],
        [*PLUGIN, "-k", "mlp or char_lstm or promise", "tests/emulated/test_counts.py"],
    ),
    Part(
        "device",
        "the tests that are written for a device",
        [*PLUGIN, "-k", "cuda", "tests/ops", "tests/runtime"],
        [*PLUGIN, "-k", "cuda", "tests/runtime/engine/test_late_checks.py"],
    ),
    Part("operators", "every operator in all element types", [*PLUGIN, "tests/emulated/test_operators.py"]),
    Part(
        "runtime",
        "tests of the CPU, run on the device",
        [*EVERYWHERE, "tests/runtime/engine", "tests/runtime/generation"],
    ),
    Part("training", "training on the device", [*EVERYWHERE, "tests/runtime/train", "tests/zoo/training"]),
    Part(
        "zoo",
        "blocks and examples on the device",
        [*EVERYWHERE, "--ignore=tests/zoo/training", "tests/std", "tests/zoo"],
    ),
    Part("commands", "the commands with --device cuda", ["tests/emulated/test_commands.py"]),
]


def main() -> int:
    """Run the parts; the status is 1 if one of them fails, or the kit is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="all by default")
    parser.add_argument("--short", action="store_true", help="what fits into CI: a few minutes with no cache")
    parser.add_argument("--if-present", action="store_true", help="succeed if the kit is missing")
    parser.add_argument("--list", action="store_true", help="list the parts")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{part.name:10} {part.about}" for part in PARTS))
        return 0
    reason = kit.missing()
    if reason is not None:
        print(f"the emulated CUDA device was not tested: {reason}")
        return 0 if options.if_present else 1
    chosen = [part for part in PARTS if part.name in options.parts or not options.parts]
    if options.short:
        chosen = [part for part in chosen if part.short is not None]
    _build()
    end = time.monotonic() + SHORT_LIMIT if options.short else math.inf
    failed = [part.name for part in chosen if _run(part, options.short, end)]
    print(f"failed: {', '.join(failed)}" if failed else f"passed: {', '.join(p.name for p in chosen)}")
    return int(bool(failed))


def _build() -> None:
    """Build the device once, before several processes would."""
    subprocess.run(
        [sys.executable, "-c", "import cuda_on_cpu; cuda_on_cpu.install()"], env=_environment(), check=True
    )


def _run(part: Part, short: bool, end: float) -> int:
    """The status of a part; one that reaches the limit of time has no result, and does not fail."""
    print(f"== {part.name}: {part.about}", flush=True)
    begun = time.monotonic()
    arguments = part.short if short and part.short else part.arguments
    command = [sys.executable, "-m", "pytest", "-r", "fE", "-n", "2", *arguments]
    left = None if math.isinf(end) else max(end - begun, 1)
    try:
        status = subprocess.run(command, cwd=kit.ROOT, env=_environment(), timeout=left).returncode
    except subprocess.TimeoutExpired:
        print(f"== {part.name}: NOT FINISHED within the {SHORT_LIMIT:.0f} s that --short may take")
        return 0
    print(f"== {part.name}: {time.monotonic() - begun:.0f} s", flush=True)
    return status


def _environment() -> dict[str, str]:
    known = kit.environment()
    return {**known, "PYTHONPATH": os.pathsep.join([known["PYTHONPATH"], str(kit.ROOT / "tests")])}


if __name__ == "__main__":
    sys.exit(main())
