"""A short run of every campaign, always the same trials; and the frame itself."""

from __future__ import annotations

from importlib import import_module
from random import Random

import pytest

import netruntime as nr
from fuzz import campaign
from fuzz.callers import signatures


@pytest.mark.parametrize("name", campaign.campaigns())
def test_no_faults(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "TIMED", False)
    trials = campaign.load(name).SHORT
    count = campaign.run(name, 0, lambda number: number < trials)
    assert not count.faults, "\n\n".join(f"{f.trial}: {f.where}\n{f.text}" for f in count.faults.values())
    assert count.trials == trials


def test_faults_are_counted_by_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def trial(random: Random) -> str:
        if random.random() < 0.5:
            raise KeyError("a")
        return "fine"

    monkeypatch.setattr("fuzz.language.texts.trial", trial)
    count = campaign.run("texts", 7, lambda number: number < 40)
    assert count.trials == 40 and 0 < count.outcomes["fine"] < 40
    assert len(count.faults) == 1
    (fault,) = count.faults.values()
    name, seed, number = fault.trial.split(":")
    again = campaign.run(name, int(seed), lambda n: n == int(number), int(number))
    assert again.outcomes == {"faults": 1}


def test_what_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def trial(random: Random) -> str:
        while True:
            pass

    monkeypatch.setattr("fuzz.language.texts.trial", trial)
    monkeypatch.setattr(campaign, "HANG", 0.05)
    count = campaign.run("texts", 0, lambda number: number < 1)
    assert [f.where.split()[0] for f in count.faults.values()] == ["Slow"]


@pytest.mark.parametrize("package", signatures.NOT_CALLED)
def test_every_exported_function_is_a_target(package: str) -> None:
    exported = import_module(package).__all__
    named = {name for names in signatures.NOT_CALLED[package] for name in names.split()}
    targets = {name for name in exported if name in signatures.targets()}
    assert not named - set(exported) and not named & targets
    assert set(exported) == named | targets


def test_every_method_of_a_network_is_a_target() -> None:
    methods = {name for name, value in vars(nr.Network).items() if callable(value) and name[0] != "_"}
    assert {f"Network.{name}" for name in methods | {"__call__"}} <= set(signatures.targets())
