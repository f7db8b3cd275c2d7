"""The computation of a phase on one batch: the loss, the metrics, the gradients, and updated buffers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from netdsl.graph import Graph, Port, expand
from netdsl.immutable import immutable
from netdsl.model import Parameter, Phase
from netdsl.ops.contract.base import Array
from netdsl.ops.numerics.checks import DeferredChecks
from netdsl.recipes.metrics import MEAN
from netruntime.engine.autodiff import differentiate
from netruntime.engine.backends import Device
from netruntime.engine.binding import bind_inputs, check_assumptions
from netruntime.engine.executor import execute
from netruntime.engine.passes.frozen_norms import freeze_norms
from netruntime.engine.plan import PlanCache
from netruntime.engine.reading import read
from netruntime.errors import TrainingError
from netruntime.sizes import batch_axis
from netruntime.train.statistics.joint import all_sizes, batch_values, join_batches, total_of
from netruntime.train.statistics.kinds import Reading
from netruntime.train.statistics.split import Split, split_outputs
from netruntime.train.update.groups import frozen_buffers

LOSS = "loss"


@immutable
class Computed:
    """The result of a batch, still on the device: `values` are to be read by the host, by their ports.

    `checks` are to be read together with them; see `outcomes`.
    """

    graph: LossGraph
    values: Mapping[Port, Array]
    gradients: dict[str, Array]
    updates: Mapping[str, Array]
    size: int
    sizes: Mapping[str, int]
    checks: DeferredChecks


@immutable
class Outcome:
    """The result of a batch: the loss and the statistics of the metrics on the host, arrays on the device.

    `size` is the number of rows in the batch, `sizes` has its free sizes. `readings` are the statistics that
    the loss and the free metrics are computed from, so that batches can be added up.
    """

    loss: float
    statistics: Mapping[str, Any]
    gradients: dict[str, Array]
    updates: Mapping[str, Array]
    size: int
    sizes: Mapping[str, int]
    readings: tuple[Reading, ...]


@immutable
class JointInputs:
    """What the joint loss needs of all batches when it runs on one of them: inputs and sizes by name."""

    arrays: Mapping[str, Any]
    sizes: Mapping[str, int]


class LossGraph:
    """The loss of a phase as a graph, with its gradients, planned once for each batch size.

    Args:
        phase: The checked phase.
        device: The device to run on.
        trained: The label paths of the weights to differentiate by; none for evaluation.
        buffers: The label paths of the buffers to update; all by default.
        joint: Whether the gradients are those of the loss of several batches together.

    Raises:
        NetError: E1130 to E1133 if the loss cannot be differentiated; E1070 if it does not depend on any of
            the trained weights.
    """

    def __init__(
        self,
        phase: Phase,
        device: Device,
        trained: Sequence[str] = (),
        *,
        buffers: Collection[str] | None = None,
        joint: bool = False,
    ) -> None:
        self.phase = phase
        self.device = device
        self.split = split_phase(phase, training=bool(trained))
        self.joint = join_batches(self.split, LOSS) if joint else None
        graph = self.split.graph if self.joint is None else self.joint.graph
        updates = graph.interface.updates if trained else {}
        self._updates = {path: port for path, port in updates.items() if buffers is None or path in buffers}
        self._outputs = {name: _result(graph, port) for name, port in graph.interface.output_ports.items()}
        self._readings = list(dict.fromkeys(p for s in self.split.statistics for p in s.ports))
        loss = self._outputs[LOSS] if self.joint is None else self.joint.loss
        self._moved: Mapping[Port, Port] = {}
        self._gradients: dict[str, Port] = {}
        if trained:
            graph = self._differentiate(graph, loss, trained)
        self.graph = graph
        self.trained = tuple(self._gradients)
        self._wanted = list(dict.fromkeys(self._all_ports()))
        self._plans = PlanCache(graph, self._wanted, device, fixed_weights=False)

    def _differentiate(self, graph: Graph, loss: Port, trained: Sequence[str]) -> Graph:
        nodes = parameter_nodes(graph)
        targets = [(nodes[path], 0) for path in trained]
        derived = differentiate(graph, loss, targets, recompute=self.phase.recompute)
        pairs = zip(trained, derived.gradients, strict=True)
        self._gradients = {path: port for path, port in pairs if port is not None}
        if not self._gradients:
            raise _no_gradients(self.phase)
        self._moved = derived.moved
        return derived.graph

    def _all_ports(self) -> Iterator[Port]:
        own = (*self._outputs.values(), *self._readings, *self._updates.values())
        yield from (self._at(port) for port in own)
        yield from self._gradients.values()

    def _at(self, port: Port) -> Port:
        return self._moved.get(port, port)

    def compute(
        self, batch: Mapping[str, Any], weights: Mapping[str, Array], seed: int, *, check_finite: bool = False
    ) -> Outcome:
        """Compute the outcome of one batch. Arguments and errors are those of `start`."""
        computed = self.start(batch, weights, seed, check_finite=check_finite)
        return outcomes(self.device, [computed])[0][0]

    def start(
        self,
        batch: Mapping[str, Any],
        weights: Mapping[str, Array],
        seed: int,
        *,
        joint: JointInputs | None = None,
        check_finite: bool = False,
    ) -> Computed:
        """Compute one batch without waiting for a GPU.

        Args:
            batch: Arrays by the phase's input names; others are ignored.
            weights: Arrays of the device by label path.
            seed: The seed of the random operators.
            joint: Of a joint loss, what depends on all batches together.

        Raises:
            DataInputError: a batch that does not fit the inputs; on a GPU, values that do not fit are
                reported by `outcomes`.
        """
        checks = DeferredChecks(self.device.xp)
        arrays, sizes = self._bind(batch, checks)
        joint = joint or JointInputs({}, {})
        results = execute(
            self._plans.plan({**sizes, **joint.sizes}),
            {**arrays, **self._on_device(joint.arrays)},
            weights,
            self.device,
            seed=seed,
            check_finite=check_finite,
            checks=checks,
        )
        values = dict(zip(self._wanted, results, strict=True))
        read_by_host = dict.fromkeys(map(self._at, (*self._outputs.values(), *self._readings)))
        return Computed(
            self,
            {port: values[port] for port in read_by_host},
            {path: values[port] for path, port in self._gradients.items()},
            {path: values[self._at(port)] for path, port in self._updates.items()},
            _rows(arrays),
            sizes,
            checks,
        )

    def outcome(self, computed: Computed, host: Mapping[Port, Array]) -> Outcome:
        """The outcome of a batch whose values have been read."""
        statistics = {name: host[self._at(port)] for name, port in self._outputs.items()}
        loss = float(statistics.pop(LOSS))
        own = [host[self._at(port)] for port in self._readings]
        readings = batch_values(self._readings, own, computed.sizes, computed.size, self.split)
        return Outcome(
            loss,
            statistics,
            computed.gradients,
            computed.updates,
            computed.size,
            computed.sizes,
            readings,
        )

    def joint_inputs(
        self, batches: Sequence[Mapping[str, Any]], weights: Mapping[str, Array], seeds: Sequence[int]
    ) -> list[JointInputs]:
        """For each batch, what the joint loss needs to know of all of them; waits once for a GPU."""
        assert self.joint is not None
        needed = self.joint.needed(self.graph, list(self._gradients.values()))
        checks = [DeferredChecks(self.device.xp) for _ in batches]
        bound = [self._bind(batch, check) for batch, check in zip(batches, checks, strict=True)]
        values: list[Array] = []
        for (arrays, sizes), seed, check in zip(bound, seeds, checks, strict=True) if needed else ():
            plan = self._statistics.plan(sizes)
            values += execute(plan, arrays, weights, self.device, seed=seed, checks=check)
        host = read(self.device, checks, values)
        readings = [
            batch_values(needed, host[n * len(needed) :][: len(needed)], sizes, _rows(arrays), self.split)
            for n, (arrays, sizes) in enumerate(bound)
        ]
        total = all_sizes(self.split.batch, [sizes for _, sizes in bound])
        named = {total_of(name): size for name, size in total.items()}
        return [JointInputs(arrays, named) for arrays in self.joint.inputs(readings)]

    @cached_property
    def _statistics(self) -> PlanCache:
        """The plans of the statistics that the gradients of a joint loss depend on."""
        assert self.joint is not None
        needed = self.joint.needed(self.graph, list(self._gradients.values()))
        return PlanCache(self.split.graph, needed, self.device, fixed_weights=False)

    def _bind(
        self, batch: Mapping[str, Any], checks: DeferredChecks
    ) -> tuple[dict[str, Any], dict[str, int]]:
        inputs = {name: batch[name] for name in self.phase.model.inputs if name in batch}
        arrays, sizes = bind_inputs(self.phase.model, inputs, self.device, checks)
        check_assumptions(self.phase.model, sizes)
        return arrays, sizes

    def _on_device(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        if self.joint is None or not extra:
            return {}
        types = {node.label: node.types[0] for _, node in self.graph.operators() if node.label in extra}
        with self.device.active():
            return {
                name: self.device.xp.asarray(value).astype(types[name].dtype.numpy_name)
                for name, value in extra.items()
                if name in types
            }


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
    results = [batch.graph.outcome(batch, {port: next(left) for port in batch.values}) for batch in computed]
    return results, list(left)


def split_phase(phase: Phase, *, training: bool) -> Split:
    """The loss and the free metrics of a phase as functions of statistics of its rows.

    In training, frozen batch norms normalise by their running statistics.
    """
    graph = expand(phase.model)
    if training:
        graph = freeze_norms(graph, frozen_buffers(list(parameter_nodes(graph)), phase.freeze))
    ports = graph.interface.output_ports
    names = [LOSS, *(spec.output for spec in phase.metrics if spec.kind == MEAN)]
    return split_outputs(
        graph, {name: _result(graph, ports[name]) for name in names}, batch_axis(phase.model.inputs)
    )


def _result(graph: Graph, port: Port) -> Port:
    """The value that an output node hands on."""
    (source,) = graph.inputs_of(port[0])
    assert source is not None
    return source


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
