"""Plans are made once for their sizes, and no more of them are kept than the bound says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import netruntime as nr
from netruntime.engine.plan import MAX_PLANS, PlanCache

NET = nr.load("net 1.0\nmodel M(x: f32[B, T]) -> y: f32[B, T] { return tanh(x) }\n")


def cache(ignored: frozenset[str] = frozenset()) -> PlanCache:
    return PlanCache(NET.graph, list(NET.graph.interface.output_ports.values()), NET.device, ignored)


def test_one_plan_for_the_same_sizes() -> None:
    plans = cache()
    first = plans.plan({"B": 2, "T": 3})
    assert plans.plan({"T": 3, "B": 2}) is first
    assert plans.plan({"B": 2, "T": 4}) is not first
    assert len(plans) == 2


def test_ignored_sizes_share_a_plan() -> None:
    plans = cache(frozenset({"T"}))
    assert plans.plan({"B": 2, "T": 3}) is plans.plan({"B": 2, "T": 4})


def test_the_oldest_goes_first() -> None:
    plans = cache()
    first = plans.plan({"B": 1, "T": 1})
    last = [plans.plan({"B": 1, "T": n}) for n in range(2, MAX_PLANS + 2)][-1]
    assert len(plans) == MAX_PLANS
    assert plans.plan({"B": 1, "T": MAX_PLANS + 1}) is last
    assert plans.plan({"B": 1, "T": 1}) is not first


def test_threads_share_a_plan() -> None:
    plans = cache()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: plans.plan({"B": 5, "T": 5}), range(64)))
    assert all(plan is made[0] for plan in made)
