"""The computation of a phase on one batch: the loss, the metrics, the gradients, and updated buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netdsl.graph import Graph, Port, build
from netdsl.model import Parameter, Phase
from netdsl.ops.contract.base import Array
from netdsl.ops.numerics.checks import DeferredChecks
from netruntime.engine.autodiff import differentiate
from netruntime.engine.backends import Device
from netruntime.engine.binding import bind_inputs, check_assumptions
from netruntime.engine.executor import execute
from netruntime.engine.plan import PlanCache
from netruntime.engine.reading import read
from netruntime.errors import TrainingError

LOSS = "loss"


@dataclass(frozen=True)
class Computed:
    """The result of a batch, still on the device: `values` are the loss and the statistics of the metrics.

    `checks` are to be read together with them; see `outcomes`.
    """

    values: Mapping[str, Array]
    gradients: dict[str, Array]
    updates: Mapping[str, Array]
    size: int
    checks: DeferredChecks


@dataclass(frozen=True)
class Outcome:
    """The result of a batch: the loss and the statistics of the metrics on the host, arrays on the device.

    `size` is the number of rows in the batch.
    """

    loss: float
    statistics: Mapping[str, Any]
    gradients: dict[str, Array]
    updates: Mapping[str, Array]
    size: int


class LossGraph:
    """The loss of a phase as a graph, with its gradients, planned once for each batch size.

    Args:
        phase: The checked phase.
        device: The device to run on.
        trained: The label paths of the weights to differentiate by; none for evaluation.

    Raises:
        NetError: E1130 to E1133 if the loss cannot be differentiated; E1070 if it does not depend on any of
            the trained weights.
    """

    def __init__(self, phase: Phase, device: Device, trained: Sequence[str] = ()) -> None:
        self.phase = phase
        self.device = device
        graph = build(phase.model)
        ports = graph.interface.output_ports
        self.names = tuple(ports)
        updates = graph.interface.updates if trained else {}
        gradients: dict[str, Port] = {}
        if trained:
            nodes = parameter_nodes(graph)
            derived = differentiate(
                graph, ports[LOSS], [(nodes[path], 0) for path in trained], recompute=phase.recompute
            )
            gradients = {p: g for p, g in zip(trained, derived.gradients, strict=True) if g is not None}
            ports = {name: derived.moved[port] for name, port in ports.items()}
            updates = {path: derived.moved[port] for path, port in updates.items()}
            graph = derived.graph
            if not gradients:
                raise _no_gradients(phase)
        self.graph = graph
        self.trained = tuple(gradients)
        self.updated = tuple(updates)
        self._plans = PlanCache(graph, [*ports.values(), *gradients.values(), *updates.values()], device)

    def compute(
        self, batch: Mapping[str, Any], weights: Mapping[str, Array], seed: int, *, check_finite: bool = False
    ) -> Outcome:
        """Compute the outcome of one batch. Arguments and errors are those of `start`."""
        computed = self.start(batch, weights, seed, check_finite=check_finite)
        return outcomes(self.device, [computed])[0][0]

    def start(
        self, batch: Mapping[str, Any], weights: Mapping[str, Array], seed: int, *, check_finite: bool = False
    ) -> Computed:
        """Compute one batch without waiting for a GPU.

        Args:
            batch: Arrays by the phase's input names; others are ignored.
            weights: Arrays of the device by label path.
            seed: The seed of the random operators.

        Raises:
            DataInputError: a batch that does not fit the inputs; on a GPU, values that do not fit are
                reported by `outcomes`.
        """
        inputs = {name: batch[name] for name in self.phase.model.inputs if name in batch}
        checks = DeferredChecks(self.device.xp)
        arrays, sizes = bind_inputs(self.phase.model, inputs, self.device, checks)
        check_assumptions(self.phase.model, sizes)
        values = execute(
            self._plans.plan(sizes),
            self.graph,
            arrays,
            weights,
            self.device,
            seed=seed,
            check_finite=check_finite,
            checks=checks,
        )
        count, ends = len(self.names), len(self.names) + len(self.trained)
        return Computed(
            dict(zip(self.names, values[:count], strict=True)),
            dict(zip(self.trained, values[count:ends], strict=True)),
            dict(zip(self.updated, values[ends:], strict=True)),
            _rows(arrays),
            checks,
        )


def outcomes(
    device: Device, computed: Sequence[Computed], more: Sequence[Array] = ()
) -> tuple[list[Outcome], list[Array]]:
    """The outcomes of batches, and the values of `more` on the host; waits once for a GPU.

    Raises:
        DataInputError: the first batch with values that do not fit.
    """
    arrays = [array for batch in computed for array in batch.values.values()]
    host = read(device, [batch.checks for batch in computed], [*arrays, *more])
    left = iter(host)
    found = []
    for batch in computed:
        values = {name: next(left) for name in batch.values}
        loss = float(values.pop(LOSS))
        found.append(Outcome(loss, values, batch.gradients, batch.updates, batch.size))
    return found, list(left)


def parameter_nodes(graph: Graph) -> dict[str, int]:
    """The parameters and buffers of a graph: their nodes by label path."""
    return {data.label: node for node, data in graph.operators() if isinstance(data.op, Parameter)}


def _rows(arrays: Mapping[str, Array]) -> int:
    return next((int(array.shape[0]) for array in arrays.values() if array.ndim), 1)


def _no_gradients(phase: Phase) -> TrainingError:
    name = f"`train {phase.name}`" if phase.name else "`train`"
    help = "use an output of the model in the loss, or change `over` and `freeze` to train more weights"
    return TrainingError.make(
        "E1070", f"the loss of {name} does not depend on any weight that it trains", phase.span, help=help
    )
