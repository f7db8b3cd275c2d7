"""One network from several threads, after a fork, and in worker processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from native.networks import inputs_of, open_example
from native.running import library
from netruntime.engine.network import Network

NAMES = ("lenet5", "resnet18")


@pytest.fixture(params=NAMES)
def network(request: pytest.FixtureRequest) -> tuple[str, Network]:
    library()
    return request.param, open_example(request.param, engine="native", threads=2)


def test_eight_threads_get_the_same_bits(network: tuple[str, Network]) -> None:
    name, net = network
    inputs = [inputs_of(net, name, batch) for batch in (1, 2, 3)]
    expected = [net.run(one)["logits"] for one in inputs]

    def call(n: int) -> bool:
        return bool(np.array_equal(net.run(inputs[n % 3])["logits"], expected[n % 3]))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(60)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_runs_on_threads_of_its_own(network: tuple[str, Network]) -> None:
    name, net = network
    inputs = inputs_of(net, name, 2)
    expected = net.run(inputs)["logits"]
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(net.run(inputs)["logits"], expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(net.run(inputs)["logits"], expected)


def _in_worker(batch: int) -> bytes:
    net = open_example("lenet5", engine="native", threads=2)
    return net.run(inputs_of(net, "lenet5", batch))["logits"].tobytes()


@pytest.mark.skipif(sys.platform == "win32", reason="starts processes by fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_worker_processes() -> None:
    library()
    expected = [_in_worker(batch) for batch in (1, 2, 3)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_in_worker, (1, 2, 3)) == expected
