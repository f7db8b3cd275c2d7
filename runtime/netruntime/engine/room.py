"""Memory that runs out outside of operators, such as in an update of weights, is reported as E0822."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netruntime.engine.backends import Device
from netruntime.engine.peak import WAYS_OUT
from netruntime.errors import DataInputError
from netruntime.memory import lack_text, shortage
from netruntime.quantities import bytes_text


@contextmanager
def room_for(what: str, device: Device, needed: int = 0, help: str = WAYS_OUT) -> Iterator[None]:
    """Make the device current, and report memory that runs out inside as `DataInputError` E0822.

    Args:
        what: What the memory is for, as the subject of a sentence.
        needed: The bytes that are certainly needed, which are compared with the free ones at the start.
    """
    with device.active():
        free = shortage(needed, device.xp)
        if free is not None:
            message = f"{what} needs {bytes_text(needed)} of memory, but {lack_text(free)}"
            raise DataInputError.make("E0822", message, help=help)
        try:
            yield
        except (MemoryError, RuntimeError) as full:
            if not device.is_full(full):
                raise
            message = f"{what} ran out of memory: {device.full_memory(full)}"
            raise DataInputError.make("E0822", message, help=help) from None
