"""`netrun show --plan` and `--memory`: what runs for some sizes, and the memory that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import click

from netdsl.graph import expand
from netruntime.cli.common.columns import print_columns
from netruntime.cli.common.devices import open_quietly
from netruntime.cli.common.failures import usage_error
from netruntime.cli.common.options import DeviceFlags
from netruntime.cli.common.output import plural, print_json, screen_width
from netruntime.cli.common.sources import check_size_names, open_checked, pick_model
from netruntime.engine.backends import Device
from netruntime.engine.binding import check_assumptions
from netruntime.engine.network import Network
from netruntime.engine.steps import Plan
from netruntime.engine.weights import open_weights
from netruntime.profiling.listing import ListedStep, chunked, listed
from netruntime.profiling.memory import MemoryNeed, memory_need
from netruntime.quantities import bytes_text

HEADINGS = ("line", "label", "computes", "kernels", "tasks", "layout", "bytes", "at")
TEXTS = (1, 2, 3)
WIDE = 110
"""The columns of a screen that has room for all kernels and their tasks."""
USES = {
    "process": "Python, NumPy and the plan, as they are now",
    "weights": "weights and buffers",
    "constants": "weights in the layout of the kernels",
    "packing": "temporarily, before the first run",
    "arena": "values inside native runs",
    "values": "values between steps",
    "inputs": "inputs",
    "outputs": "outputs",
}


class View(Protocol):
    """The options that both commands use."""

    @property
    def file(self) -> Path: ...
    @property
    def settings(self) -> Mapping[str, str]: ...
    @property
    def model_name(self) -> str | None: ...
    @property
    def sizes(self) -> Mapping[str, int]: ...
    @property
    def device(self) -> DeviceFlags: ...
    @property
    def as_json(self) -> bool: ...


def print_plan(view: View) -> None:
    """Print the steps of a plan."""
    network, plan = _planned(view)
    steps = listed(plan)
    if view.as_json:
        document = {"ok": True, "model": network.name, "sizes": dict(plan.sizes)}
        print_json({**document, "steps": [step.as_dict() for step in steps]})
        return
    runs = len({step.run for step in steps if step.run is not None})
    others = sum(step.run is None for step in steps)
    sizes = " ".join(f"{name}={size}" for name, size in plan.sizes.items())
    click.echo(f"{network.name} {sizes}: {plural(runs, 'native run')}, {plural(others, 'step')} on NumPy")
    for number, chunks in chunked(plan):
        each = plural(chunks.rows, "row")
        click.echo(f"run {number + 1} processes the batch in {chunks.count} chunks of {each}; one is shown")
    click.echo()
    wide = screen_width() >= WIDE
    headings = HEADINGS if wide else HEADINGS[:4] + HEADINGS[5:]
    rows = [_cells(step, wide) for step in steps]
    print_columns(headings, [row if wide else row[:4] + row[5:] for row in rows], TEXTS)


def _cells(step: ListedStep, wide: bool) -> list[str]:
    names = [name for name, _ in step.kernels] or (["numpy"] if step.run is None else [""])
    kernels = ", ".join(names) if wide else names[-1]
    tasks = str(step.kernels[-1][1]) if step.kernels else ""
    place = step.place
    at = place.memory if place.offset is None else f"{place.memory}+{place.offset}"
    texts = [str(step.span.line), step.label, " + ".join(step.operators), kernels]
    return [*texts, tasks, step.layout, bytes_text(place.bytes), at]


def print_memory(view: View) -> None:
    """Print the predicted memory of a run."""
    network, plan = _planned(view)
    need = memory_need(plan, network.device)
    if view.as_json:
        print_json({"ok": True, "model": network.name, **asdict(need), "peak": need.peak})
        return
    rows = [[USES[name], bytes_text(size)] for name, size in _parts(need).items() if size]
    print_columns(("for", "bytes"), [*rows, ["peak", bytes_text(need.peak)]], (0,))
    if any(step.run is None and step.place.memory != "input" for step in listed(plan)):
        click.echo("\nNumPy's temporary arrays inside operators are not included")


def _parts(need: MemoryNeed) -> dict[str, int]:
    return {name: getattr(need, name) for name in USES}


def _planned(view: View) -> tuple[Network, Plan]:
    """The network, its weights not yet read, and its plan for the sizes; B is 1 unless it is set."""
    checked = open_checked(view.file, view.settings)
    model = pick_model(checked, view.model_name)
    check_size_names(model, view.sizes)
    symbols = {s for type_ in model.inputs.values() for size in type_.shape for s in size.symbols}
    sizes = {**({"B": 1} if "B" in symbols else {}), **view.sizes}
    missing = sorted(symbols - sizes.keys())
    if missing:
        help = " ".join(f"--size {name}=32" for name in missing)
        names = " and ".join(f"`{name}`" for name in missing)
        message = f"a plan needs the {'sizes' if len(missing) > 1 else 'size'} of {names}"
        raise usage_error("E0921", message, f"add {help}")
    check_assumptions(model, sizes)
    device: Device = open_quietly(view.device)
    network = Network(checked, model, open_weights(expand(model), None, {}, None, 0), device)
    return network, network.plan(sizes)
