"""Runs the tests of CUDA part by part: `make cuda` on a GPU, `make cuda-emulated` on an emulated one.

python tests/emulated/run.py [--device real] [--workers 8] [--short] [--if-present] [--list] [PART ...]
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
from emulated.devices import PROVIDERS, VARIABLE, Provider

EVERYWHERE = ("-p", "emulated.everywhere")
CPU_ALONE = "--ignore=tests/runtime/engine/passes"
"""The passes of the native engine make operators that no device has."""


@dataclass(frozen=True)
class Part:
    """One run of pytest, or of another command of Python.

    Args:
        arguments: What follows `python -m pytest`.
        short: What follows it in CI; None leaves the part out there.
        emulated: Only the emulated device can run it.
    """

    name: str
    about: str
    arguments: Sequence[str]
    short: Sequence[str] | None = None
    emulated: bool = False


SHORT_LIMIT = 300.0
"""Seconds after which `--short` stops, on a machine that is busy: it compiles some 120 kernels one by one."""


PARTS = [
    Part(
        "counts",
        "launches and waits of small networks",
        ["tests/emulated/test_counts.py"],
        ["-k", "mlp or char_lstm or promise", "tests/emulated/test_counts.py"],
        emulated=True,
    ),
    Part(
        "device",
        "the tests that are written for a device",
        ["-k", "cuda", "tests/ops", "tests/runtime"],
        ["-k", "cuda", "tests/runtime/engine/test_late_checks.py"],
    ),
    Part("operators", "every operator in all element types", ["tests/emulated/test_operators.py"]),
    Part(
        "runtime",
        "tests of the CPU, run on the device",
        [
            *EVERYWHERE,
            CPU_ALONE,
            "tests/runtime/engine",
            "tests/runtime/generation",
        ],
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
    """Run the parts; the status is 1 if one of them fails, or the device is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="all by default")
    parser.add_argument("--device", choices=PROVIDERS, default="emulated", help="real: a GPU")
    parser.add_argument("--workers", type=int, help="processes that share the device")
    parser.add_argument("--short", action="store_true", help="what fits into CI: a few minutes with no cache")
    parser.add_argument("--if-present", action="store_true", help="succeed if the device is missing")
    parser.add_argument("--list", action="store_true", help="list the parts")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{part.name:10} {part.about}" for part in PARTS))
        return 0
    provider = PROVIDERS[options.device]
    reason = provider.missing()
    if reason is not None:
        print(f"the {provider.name} CUDA device was not tested: {reason}")
        return 0 if options.if_present else 1
    chosen = [part for part in PARTS if part.name in options.parts or not options.parts]
    if provider.name == "real":
        chosen = [part for part in chosen if not part.emulated]
    if options.short:
        chosen = [part for part in chosen if part.short is not None]
    runner = Runner(provider, options.workers or provider.workers, options.short)
    runner.build()
    end = time.monotonic() + SHORT_LIMIT if options.short else math.inf
    failed = [part.name for part in chosen if runner.run(part, end)]
    print(f"failed: {', '.join(failed)}" if failed else f"passed: {', '.join(p.name for p in chosen)}")
    return int(bool(failed))


@dataclass(frozen=True)
class Runner:
    """Runs parts on the device of a provider."""

    provider: Provider
    workers: int
    short: bool

    def build(self) -> None:
        """Build the emulated device once, before several processes would."""
        if self.provider.plugin:
            build = "import cuda_on_cpu; cuda_on_cpu.install()"
            subprocess.run([sys.executable, "-c", build], env=self._environment(), check=True)

    def run(self, part: Part, end: float) -> int:
        """The status of a part; one that reaches the limit of time has no result, and does not fail."""
        print(f"== {part.name}: {part.about}", flush=True)
        begun = time.monotonic()
        arguments = part.short if self.short and part.short else part.arguments
        plugin = () if "emulated.everywhere" in arguments else self.provider.plugin
        command = [sys.executable, "-m", "pytest", "-r", "fE", "-n", str(self.workers), *plugin, *arguments]
        left = None if math.isinf(end) else max(end - begun, 1)
        try:
            done = subprocess.run(command, cwd=kit.ROOT, env=self._environment(), timeout=left)
        except subprocess.TimeoutExpired:
            print(f"== {part.name}: NOT FINISHED within the {SHORT_LIMIT:.0f} s that --short may take")
            return 0
        print(f"== {part.name}: {time.monotonic() - begun:.0f} s", flush=True)
        return done.returncode

    def _environment(self) -> dict[str, str]:
        known = self.provider.environment()
        path = os.pathsep.join(filter(None, [known.get("PYTHONPATH"), str(kit.ROOT / "tests")]))
        return {**known, VARIABLE: self.provider.name, "PYTHONPATH": path}


if __name__ == "__main__":
    sys.exit(main())
