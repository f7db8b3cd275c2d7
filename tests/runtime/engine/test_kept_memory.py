"""Memory that a process keeps: the pages of arrays that are gone serve the next ones."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, threading
import numpy as np
from netruntime.engine.backends.memory import keep_freed_memory

if {keep}:
    assert keep_freed_memory()

def arrays():
    for _ in range(12):
        np.ones(10_000_000)  # 80 MB: 20,000 pages of 4 KB

arrays()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
arrays()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=arrays)  # threads get large arrays too
thread.start()
thread.join()
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc is not that of glibc")


def page_faults(keep: bool, **environment: str) -> int:
    command = [sys.executable, "-c", PROGRAM.format(keep=keep)]
    environment |= {"NUMPY_MADVISE_HUGEPAGE": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_pages_are_made_once() -> None:
    assert page_faults(keep=True) < 100 < 50_000 < page_faults(keep=False)


def test_settings_of_the_environment_stay() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        page_faults(keep=True, MALLOC_ARENA_MAX="2")
