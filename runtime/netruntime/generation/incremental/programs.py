"""What the steppers of a network share: which parts run along time, the graph over chunks, and its plans."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from netdsl.dims import symbol
from netdsl.immutable import immutable
from netdsl.ops.contract.time import PAST, UnsupportedError
from netdsl.types import TensorType
from netruntime.engine.network import Network
from netruntime.engine.plan import PlanCache
from netruntime.generation.incremental.build import Incremental, make_incremental
from netruntime.generation.incremental.packed import pack_caches

MOST_PLANS = 8
"""Plans kept for one model, each of which may hold memory for its values: chunks of so many lengths."""


@immutable
class SequenceSpec:
    """Which parts of a model run along time.

    Args:
        time: The symbol of the number of positions.
        outputs: The outputs to compute.
        lengths: Inputs `[B]` that hold the number of positions; they are filled in.
        batch: The symbol of the number of sequences, if it is free.
    """

    time: str
    outputs: tuple[str, ...]
    lengths: frozenset[str] = frozenset()
    batch: str | None = None

    def batch_axis(self, type_: TensorType) -> int | None:
        """The axis of a value that runs over sequences. Raises `UnsupportedError` if it is merged."""
        if self.batch is None:
            return None
        axes = [axis for axis, size in enumerate(type_.shape) if self.batch in size.symbols]
        if any(type_.shape[axis] != symbol(self.batch) for axis in axes) or len(axes) > 1:
            raise UnsupportedError(f"the batch axis is merged with another axis in {type_}")
        return axes[0] if axes else None


@immutable(eq=False)
class Program:
    """A model over chunks, and the plans that compute its outputs and next states."""

    incremental: Incremental
    plans: PlanCache


_KNOWN: WeakKeyDictionary[Network, dict[SequenceSpec, Program]] = WeakKeyDictionary()


def program_of(network: Network, spec: SequenceSpec) -> Program:
    """The program of a network, made when it is first needed.

    Raises:
        UnsupportedError: where the model cannot be computed from new positions and caches.
    """
    known = _KNOWN.setdefault(network, {})
    if spec not in known:
        incremental = make_incremental(network.computation, spec.time, spec.outputs, spec.lengths)
        incremental = pack_caches(incremental) if network.device.library is not None else incremental
        ports = [*incremental.outputs.values(), *(carry.port for carry in incremental.carries)]
        plans = PlanCache(incremental.graph, ports, network.device, frozenset({PAST}), most=MOST_PLANS)
        known[spec] = Program(incremental, plans)
    return known[spec]
