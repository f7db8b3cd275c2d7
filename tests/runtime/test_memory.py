"""Sizes are compared with the memory there is before it is taken."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime import memory
from netruntime.data import DataOptions
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input

GIB = 2**30


def machine(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """A machine whose system files have these texts."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(memory, "PROC", folder / "proc")
    monkeypatch.setattr(memory, "CGROUPS", folder / "cgroup")
    monkeypatch.setattr(memory, "_kept_by_malloc", lambda: 0)


def small(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: free)


INFO = "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nSwapTotal: 0 kB\nSwapFree: 1048576 kB\n"


@pytest.mark.parametrize(
    ("files", "free", "total"),
    [
        ({"proc__meminfo": INFO}, 5 * GIB, 8 * GIB),
        ({"proc__meminfo": "MemTotal: 8388608 kB\nSwapTotal: 1048576 kB\n"}, 9 * GIB, 9 * GIB),
        (
            {
                "proc__meminfo": INFO,
                "proc__self__cgroup": "0::/a/b\n",
                "cgroup__a__memory.max": str(3 * GIB),
                "cgroup__a__memory.current": str(2 * GIB),
                "cgroup__a__memory.stat": f"anon 5\ninactive_file {GIB}\nactive_file {GIB // 2}\n",
                "cgroup__a__b__memory.max": "max\n",
                "cgroup__a__b__memory.current": "5\n",
            },
            5 * GIB // 2,
            3 * GIB,
        ),
        (
            {
                "proc__meminfo": INFO,
                "proc__self__cgroup": "9:name=systemd:/\n4:cpu,memory:/x\n",
                "cgroup__memory__memory.limit_in_bytes": str(2 * GIB),
                "cgroup__memory__memory.usage_in_bytes": str(GIB),
            },
            GIB,
            2 * GIB,
        ),
        (
            {
                "proc__meminfo": INFO,
                "proc__self__cgroup": "4:memory:/\n",
                "cgroup__memory__memory.limit_in_bytes": "9223372036854771712",
                "cgroup__memory__memory.usage_in_bytes": "1",
            },
            5 * GIB,
            8 * GIB,
        ),
    ],
)
@pytest.mark.skipif(memory.sys.platform == "win32", reason="Windows has another interface")
def test_the_least_of_all_limits_counts(
    files: dict[str, str], free: int, total: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path, monkeypatch, **files)
    assert (memory.free_memory(), memory.total_memory()) == (free, total)


def test_what_this_machine_has_fits() -> None:
    free = memory.free_memory()
    assert free is None or free > memory.SMALL
    assert memory.shortage(1) is None and memory.shortage(memory.SMALL) is None


def test_memory_that_was_freed_counts_as_free() -> None:
    if memory._kept_by_malloc() is None:
        pytest.skip("only glibc says what it keeps")
    from netruntime.engine.backends.memory import keep_freed_memory

    keep_freed_memory()
    before = memory._kept_by_malloc()
    array = np.ones(2**25)
    del array
    assert memory._kept_by_malloc() - before >= 2**27 or before >= 2**27  # type: ignore[operator]


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        (
            "model M(x: f32[B, 4]) { return x -> a: Linear(10000000) -> b: Linear(4) }",
            "E0727",
            r"the weights need .* MiB of memory, but 64\.0 MiB are free; the largest: `a\.weight` f32",
        ),
        (
            "model M(x: f32[B, 4]) { return zeros([B, 30000000]) -> b: relu }",
            "E0822",
            r"the values of this run need .* MiB of memory, but 64\.0 MiB are free; the largest: ",
        ),
    ],
)
def test_weights_and_values(model: str, code: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = nr.load(f"net 1.0\n{model}\n")
    small(monkeypatch, memory.SMALL)
    with pytest.raises(nr.NetError, match=words) as caught:
        net(x=np.ones((1, 4), np.float32))
    assert caught.value.code == code


def test_gradients_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training keeps a gradient for each weight: together with them 96 MiB."""
    net = nr.load("net 1.0\nmodel M(x: f32[B, 4096]) -> y: f32[] { return x -> a: Linear(4096) -> mean }\n")
    x = np.ones((1, 4096), np.float32)
    gradient = net.grad("y", ["a.weight"])
    assert gradient(x=x).shape == (4096, 4096)
    small(monkeypatch, 2**26 - 1)
    monkeypatch.setattr(memory, "SMALL", 2**20)
    again = nr.load("net 1.0\nmodel M(x: f32[B, 4096]) -> y: f32[] { return x -> a: Linear(4096) -> mean }\n")
    with pytest.raises(nr.NetError, match=r"E0822|E0727"):
        again.with_weights(dict(net.weights)).grad("y", ["a.weight"])(x=x)


def test_random_data(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, GIB)
    wanted = InputSpec("x", tensor("f32", symbol("B"), 3, symbol("H"), symbol("W")))
    options = DataOptions(sizes={"B": 64, "H": 8192, "W": 8192})
    size = r"f32\[64, 3, 8192, 8192\] = 48\.0 GiB"
    words = rf"random data for `x`, {size}, does not fit in memory: 1\.0 GiB are free"
    with pytest.raises(nr.DataInputError, match=words) as caught:
        read_input("random", wanted, options)
    assert caught.value.code == "E0822"
    assert read_input("random", wanted, DataOptions(sizes={"B": 1, "H": 8, "W": 8})).shape == (1, 3, 8, 8)


def test_a_small_archive_of_a_large_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": (2**25,)}
        np.lib.format.write_array_header_1_0(member, header)  # type: ignore[arg-type]
        for _ in range(2**7):
            member.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    small(monkeypatch, memory.SMALL)
    with pytest.raises(
        nr.WeightsError, match=r"is 128\.0 MiB, which does not fit in memory: 64\.0 MiB are free"
    ):
        nr.read_weights(path)
