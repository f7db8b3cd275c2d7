"""From the flags of a command line to a device."""

from __future__ import annotations

from typing import cast

from netruntime.cli.common.options import DeviceFlags
from netruntime.cli.common.output import forward_warnings, note
from netruntime.engine.backends import Device, DeviceChoice, open_device
from netruntime.native.options import EngineName, EngineOptions


def choice_of(flags: DeviceFlags) -> DeviceChoice:
    """The device and the options of its engine."""
    engine = cast(EngineName, flags.engine)
    return DeviceChoice(flags.name, EngineOptions(engine, flags.threads, flags.exact))


def open_quietly(flags: DeviceFlags) -> Device:
    """Open the device; a note reports if `auto` falls back to the CPU. Raises `DeviceError`."""
    with forward_warnings(note):
        return open_device(choice_of(flags))
