"""Bombs: short or plain texts whose check could take very long, each of a family with a size.

`netrun check` runs in a process of its own, so that its processor time and memory can be measured: from the
start of Python to its end, 2 s and 300 MB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fuzz import campaign
from fuzz.campaign import showing
from fuzz.language.bomb_families import FAMILIES as PROGRAMS
from fuzz.language.habit_families import HABITS

FAMILIES = PROGRAMS | HABITS
SHORT = 6
CPU_SECONDS = 2.0
MEGABYTES = 300.0
TIMEOUT = 120.0
SECONDS = float("inf")
"""The trial itself may take any time; what it runs may not."""
RUN = (
    sys.executable,
    "-c",
    """
import re, sys
from pathlib import Path
from netruntime.cli import main
try:
    code = main()
finally:
    status = Path("/proc/self/status")
    peak = re.search(r"VmHWM:\\s*(\\d+) kB", status.read_text()) if status.exists() else None
    Path("kilobytes").write_text(peak[1] if peak else "0")
sys.exit(code)
""",
)
"""It writes its own peak of memory: that of the system counts the process from which it was started, too."""


@dataclass(frozen=True)
class Usage:
    """How a command ended, and what it used."""

    code: int
    seconds: float
    megabytes: float
    output: str


def run(*arguments: str, folder: str) -> Usage:
    """Run `netrun` and measure it; after two minutes it is killed."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([*RUN, *arguments], cwd=folder, stdout=output, stderr=output)
        timer = threading.Timer(TIMEOUT, process.kill)
        timer.start()
        _, status, used = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    kilobytes = Path(folder, "kilobytes")
    megabytes = int(kilobytes.read_text()) / 1024 if kilobytes.exists() else 0.0
    return Usage(process.returncode, used.ru_utime + used.ru_stime, megabytes, text)


def trial(random: Random) -> str:
    name = random.choice(sorted(FAMILIES))
    make, largest = FAMILIES[name]
    size = int(largest ** random.uniform(0.5, 1))
    text = f"net 1.0\n{make(size)}"
    with showing(f"{name}, {size:,}"), tempfile.TemporaryDirectory() as folder:
        Path(folder, "bomb.net").write_text(text, "utf-8")
        return judge(run("check", "bomb.net", folder=folder))


def judge(used: Usage) -> str:
    """What `netrun` made of a file, within the limits of time and memory."""
    assert used.code in (0, 1), f"exit code {used.code}:\n{used.output[-2000:]}"
    if campaign.TIMED and used.seconds > CPU_SECONDS:
        assert used.seconds <= CPU_SECONDS * campaign.slowness(), f"{used.seconds:.2f} s"
    assert used.megabytes <= MEGABYTES, f"{used.megabytes:.0f} MB"
    return "checked" if used.code == 0 else "refused"
