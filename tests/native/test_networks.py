"""Complete networks by the native engine: close to NumPy, and the same bits however they are run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from native.networks import SMALL, hash_of, inputs_of, open_example
from native.running import library
from netruntime.engine.network import Network
from netruntime.native.run import NativeRun

SETS = ("avx512", "avx2", "neon")
"""Instruction sets with fused multiply-add, which give the same bits."""


@cache
def network(name: str, threads: int) -> Network:
    library()
    return open_example(name, engine="native", threads=threads)


def is_native(name: str) -> bool:
    """Whether every step of a network is native, so that NumPy's sums have no part in its bits."""
    net = network(name, 1)
    net.run(inputs_of(net, name, 3))
    return all(isinstance(step.run, NativeRun) for plan in net._plans._plans.values() for step in plan.steps)


@pytest.mark.parametrize("name", SMALL)
def test_close_to_numpy(name: str) -> None:
    net = network(name, 2)
    inputs = inputs_of(net, name, 3)
    expected = open_example(name, engine="numpy").run(inputs)
    for key, found in net.run(inputs).items():
        scale = float(np.abs(expected[key]).max()) or 1.0
        np.testing.assert_allclose(found, expected[key], rtol=1e-5, atol=2e-6 * scale, err_msg=key)


@pytest.mark.parametrize("name", SMALL)
def test_the_same_bits_for_any_threads_and_each_time(name: str) -> None:
    one, two = network(name, 1), network(name, 2)
    inputs = inputs_of(one, name, 3)
    hashes = {hash_of(net.run(inputs)) for net in (one, two, two, one)}
    assert len(hashes) == 1


@pytest.mark.parametrize("name", SMALL)
def test_the_same_bits_alone_and_in_a_batch(name: str) -> None:
    if not is_native(name):
        pytest.skip("NumPy runs some of its steps, and its sums depend on the batch")
    net = network(name, 2)
    together = net.run(inputs_of(net, name, 3))
    alone = net.run(inputs_of(net, name, 1))
    for key, row in alone.items():
        np.testing.assert_array_equal(row[0], together[key][0], err_msg=key)


def test_the_same_bits_on_each_instruction_set() -> None:
    library()
    found = {}
    for isa in SETS:
        env = {**os.environ, "NETDSL_ISA": isa, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        script = str(Path(__file__).with_name("networks.py"))
        done = subprocess.run([sys.executable, script, "2"], capture_output=True, text=True, env=env)
        if done.returncode == 0:
            found[isa] = json.loads(done.stdout)
        else:
            assert "E0912" in done.stderr, done.stderr
    if len(found) < 2:
        pytest.skip(f"this machine runs one instruction set with fused multiply-add: {', '.join(found)}")
    for name in SMALL:
        assert len({hashes[name] for hashes in found.values()}) == 1, name
