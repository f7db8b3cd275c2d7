"""Whether weights, and what belongs to each of them, fit in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netruntime.errors import WeightsError
from netruntime.memory import lack_text, shortage
from netruntime.quantities import bytes_text

SHOWN = 3
"""How many of the largest parts a message names."""

LESS = "use a smaller model, or weights of a narrower element type, such as f16"


def check_room(what: str, sizes: Mapping[str, int], xp: Any = np, help: str = LESS) -> None:
    """Raise `WeightsError` E0727 if parts of these bytes do not fit together in an array module's memory.

    `what` begins the message: `the weights need`. Parts of no bytes are ignored.
    """
    needed = sum(sizes.values())
    free = shortage(needed, xp)
    if free is not None:
        largest = sorted(sizes.items(), key=lambda pair: -pair[1])[:SHOWN]
        message = f"{what} {bytes_text(needed)} of memory, but {lack_text(free, largest)}"
        raise WeightsError.make("E0727", message, help=help)
