"""A loaded model: call it on arrays, look inside it, read and write its weights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, NoReturn

from netdsl.diagnostics import error, suggest
from netdsl.graph import Graph, Port
from netdsl.model import Assumption, Checked, Model
from netdsl.ops.numerics.checks import DeferredChecks
from netdsl.syntax import Weights
from netdsl.types import TensorType
from netruntime.arguments import check_count, check_flag, check_mapping, check_seed, check_text, check_texts
from netruntime.engine.backends import Device, open_device
from netruntime.engine.binding import bind_inputs, check_assumptions
from netruntime.engine.executor import execute
from netruntime.engine.native_runs import DirectCalls
from netruntime.engine.plan import PlanCache
from netruntime.engine.reading import read
from netruntime.engine.room import room_for
from netruntime.engine.scaled import reading_of, scaled_inputs, warn_unscaled
from netruntime.engine.steps import Plan
from netruntime.engine.weights import WeightOrigin, WeightStore, open_weights
from netruntime.errors import ArgumentError, DataInputError, WeightsError
from netruntime.native.run import RefusedError
from netruntime.readers.options import DataOptions

if TYPE_CHECKING:  # networkx and drawing are imported when they are asked for
    from netdsl.graph.networkx_graph import NetworkxGraph
    from netruntime.draw.table import Summary


class Network:
    """A model with its weights on a device.

    It holds no state between calls and may be called from several threads. `graph` is a
    `networkx.MultiDiGraph` (see `netdsl.graph`); do not change it.
    """

    def __init__(
        self,
        checked: Checked,
        model: Model,
        store: WeightStore,
        device: Device,
        seed: int = 0,
        outputs: Sequence[tuple[str, Port]] | None = None,
    ) -> None:
        self.checked = checked
        self.model = model
        self.device = device
        self.seed = seed
        self._store = store
        self._outputs = None if outputs is None else tuple(outputs)
        self._plans = PlanCache(store.graph, [port for _, port in self._wanted], device)
        self._direct = DirectCalls()

    # -- what it is -------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def inputs(self) -> dict[str, TensorType]:
        """The inputs by name, with the types the file declares."""
        return self.model.inputs

    @property
    def outputs(self) -> dict[str, TensorType]:
        """The outputs by name; for a tapped network, the taps."""
        return {name: self.computation.type_of((node, n)) for name, (node, n) in self._wanted}

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """What must be true of the free sizes; each has a `condition`, such as `T <= 128`, and a `span`."""
        return self.model.assumptions

    @property
    def weights_from(self) -> WeightOrigin:
        """Where the weights came from: a file, a mapping, or a seed."""
        return self._store.origin

    @cached_property
    def graph(self) -> NetworkxGraph:
        """The computation graph: one node for each operator; see `netdsl.graph`.

        It is a copy for networkx: a change of it does not change what the network computes.
        """
        from netdsl.graph.networkx_graph import as_networkx

        return as_networkx(self.computation)

    @property
    def computation(self) -> Graph:
        """The computation graph as the engine reads it, without networkx."""
        return self._store.graph

    @property
    def _wanted(self) -> tuple[tuple[str, Port], ...]:
        if self._outputs is not None:
            return self._outputs
        return tuple(self.computation.interface.output_ports.items())

    # -- running ----------------------------------------------------------------------------------

    def __call__(self, /, *arrays: Any, **inputs: Any) -> Any:
        """The output for arrays passed by input name, or a dict by output name if there are several.

        Arrays come back on the network's device: NumPy arrays from `cpu`, CuPy arrays from `cuda`. They
        share no memory with the inputs and the weights.

        Raises:
            DataInputError: for names, element types or sizes that do not fit the model's inputs, and for
                values that an operator cannot take.
            WeightsError: E0727 if the weights do not fit in memory.
        """
        if arrays:
            names = ", ".join(f"{name}=.." for name in self.inputs)
            message = f"`{self.name}` takes its inputs by name"
            raise ArgumentError.make("E0870", message, help=f"call it as network({names})")
        warn_unscaled(inputs, self.inputs, self.reading)
        results = self.run(inputs)
        return next(iter(results.values())) if len(results) == 1 else results

    def run(
        self, inputs: Mapping[str, Any], *, seed: int | None = None, check_finite: bool = False
    ) -> dict[str, Any]:
        """The outputs by name.

        Bytes (u8) for an input of floats are scaled as by the commands: to 0..1, or as the weights were
        trained; a `DataWarning` says so. Convert them to floats first to scale them in another way.

        Args:
            inputs: Arrays by input name.
            seed: Seeds the random operators; the network's own seed by default.
            check_finite: Raise E0821 at the first `.net` line that produces NaN or infinity.
        """
        check_mapping(inputs, "inputs")
        direct = self._direct.find(inputs) if seed is None and check_finite is False else None
        if direct is not None:
            with suppress(RefusedError):  # below, it is the operator on NumPy that says why
                return direct(inputs)
        checks = DeferredChecks(self.device.xp)
        check_flag(check_finite, "check_finite")
        seed = self.seed if seed is None else check_seed(seed)
        with room_for("a run", self.device):
            scaled = scaled_inputs(inputs, self.inputs, self.reading)
            arrays, sizes = bind_inputs(self.model, scaled, self.device, checks)
            check_assumptions(self.model, sizes)
            weights = self.device_weights
            plan = self.plan(sizes)
            results = execute(
                plan,
                arrays,
                weights,
                self.device,
                seed=seed,
                check_finite=check_finite,
                checks=checks,
            )
            read(self.device, [checks])
        self._direct.remember(inputs, plan, weights, tuple(name for name, _ in self._wanted))
        return {name: result for (name, _), result in zip(self._wanted, results, strict=True)}

    @cached_property
    def reading(self) -> DataOptions:
        """How files become inputs as in the training of the weights: the options for `read_input`."""
        return reading_of(self.checked, self.weights_from)

    def plan(self, sizes: Mapping[str, int]) -> Plan:
        """The plan for these values of the free sizes, made once and cached.

        Raises `NetError` E0870 for anything but sizes by name.
        """
        check_mapping(sizes, "sizes")
        sizes = {name: check_count(size, name, 0) for name, size in sizes.items()}
        return self._plans.plan(sizes)

    def tap(self, *labels: str, keep_outputs: bool = False) -> Network:
        """This network with intermediate values as its outputs: `net.tap("stage.2.0")(image=x)`.

        Values are named by label path. The label of a block or an operator refers to its output, or to the
        first if it has several. With `keep_outputs` the network's own outputs are returned too.

        Raises:
            DataInputError: E0860 for a label that does not exist.
        """
        check_texts(labels, "labels")
        check_flag(keep_outputs, "keep_outputs")
        outputs = [*self._wanted] if keep_outputs else []
        outputs += [(label, self._port(label)) for label in labels]
        return Network(self.checked, self.model, self._store, self.device, self.seed, outputs)

    def grad(self, loss: str, wrt: Sequence[str], *, recompute: Sequence[str] = ()) -> Network:
        """A network that returns the gradients of one value of this one: `net.grad("loss", ["image"])`.

        Its outputs have the names in `wrt` and the shapes of those values. It is a network like any other:
        its graph includes the backward pass, and it can be differentiated again.

        Args:
            loss: A scalar: an output, or a label path.
            wrt: Inputs, weights or intermediate values, by name or label path.
            recompute: Patterns for the labels of blocks whose activations are recomputed instead of stored.

        Raises:
            DataInputError: E0860 for a label that does not exist.
            NetError: E1130 for a loss that is not a scalar, E1131 for a value that is not floating-point,
                E1132 to E1134 if there is no gradient.
        """
        check_text(loss, "loss")
        outputs = dict(self._wanted)
        start = outputs[loss] if loss in outputs else self._port(loss)
        return self._gradients(self.computation, self.model, start, wrt, recompute)

    def vjp(self, value: str, wrt: Sequence[str], direction: str = "direction") -> Network:
        """A network that returns the product of a direction with the Jacobian of a value.

        It takes the direction as an additional input of the type of `value`. For a network of gradients it
        returns second derivatives:
        `net.grad("loss", ["x"]).vjp("x", ["x"])` is the Hessian times the direction.

        Args:
            value: An output or a label path, of any shape.
            wrt: Inputs, weights or intermediate values.
            direction: The name of the new input.

        Raises:
            DataInputError, NetError: as for `grad`; E1135 if the direction has the name of an input.
        """
        from netruntime.engine.autodiff import along

        check_text(value, "value")
        check_text(direction, "direction")
        outputs = dict(self._wanted)
        port = outputs[value] if value in outputs else self._port(value)
        graph, model, start = along(self.computation, self.model, port, direction)
        return self._gradients(graph, model, start, wrt, ())

    def _gradients(
        self, graph: Graph, model: Model, loss: Port, wrt: Sequence[str], recompute: Sequence[str]
    ) -> Network:
        from netruntime.engine.autodiff import differentiate

        check_texts(wrt, "wrt")
        check_texts(recompute, "recompute")
        wrt = [wrt] if isinstance(wrt, str) else wrt
        targets = [self._port(label) for label in wrt]
        found = differentiate(graph, loss, targets, recompute=recompute)
        ports = [found.required(graph, loss, port) for port in targets]
        store = self._store.for_graph(found.graph)
        named = list(zip(wrt, ports, strict=True))
        return Network(self.checked, model, store, self.device, self.seed, named)

    def _port(self, label: str) -> Port:
        if label in self._labels:
            return self._labels[label]
        near = suggest(label, self._labels)
        raise DataInputError.make("E0860", f"`{self.name}` has nothing labelled `{label}`", help=near)

    @cached_property
    def _labels(self) -> dict[str, Port]:
        """Every label path with its value: the first output of operators and blocks, and weights."""
        blocks = self.computation.interface.blocks
        found = {label: ports[0] for label, ports in blocks.items() if ports and ports[0]}
        for node, data in self.computation.operators():
            found.setdefault(data.label, (node, 0))
        return found

    def to(self, device: str | Device) -> Network:
        """This network on another device, with the same weights: `net.to("cuda")`.

        Raises:
            DeviceError: a device that cannot be used.
        """
        target = device if isinstance(device, Device) else open_device(device)
        return Network(self.checked, self.model, self._store, target, self.seed, self._outputs)

    # -- weights ----------------------------------------------------------------------------------

    @property
    def weights(self) -> Mapping[str, Any]:
        """The weights as NumPy arrays by label path; do not modify them in place."""
        return self._store.on_host()

    @property
    def device_weights(self) -> Mapping[str, Any]:
        """The weights as arrays of the network's device by label path; do not modify them in place."""
        return self._store.on(self.device)

    def with_weights(self, weights: Mapping[str, Any]) -> Network:
        """This network with other weights: arrays by label path, of the declared shapes and types.

        Raises:
            WeightsError: a weight is missing, unexpected, or does not fit.
        """
        check_mapping(weights, "weights")
        store = open_weights(self.computation, weights, {}, None, self.seed)
        return Network(self.checked, self.model, store, self.device, self.seed, self._outputs)

    def save(self, path: str | PathLike[str], names: str | None = None) -> None:
        """Write the weights to a safetensors or npz file, atomically.

        Args:
            names: The `weights` map of the file whose names are used; label paths by default.

        Raises:
            WeightsError: the file cannot be written, or there is no such map (E0726).
        """
        self._store.save(path, self._map(names))

    def __reduce__(self) -> NoReturn:
        """A network is neither pickled nor copied: its plans, locks and device arrays belong to a process."""
        help = (
            "save its weights, net.save(path), and load it where it is needed: netruntime.load(source, path)"
        )
        raise error("E0874", f"the network `{self.name}` cannot be pickled or copied", help=help)

    def _map(self, names: str | None) -> Weights | None:
        if names is None:
            return None
        check_text(names, "names")
        if names not in self.checked.weights:
            near = suggest(names, self.checked.weights)
            raise WeightsError.make("E0726", f"`{self.name}` has no weights map `{names}`", help=near)
        return self.checked.weights[names]

    # -- looking ----------------------------------------------------------------------------------

    def summary(self, depth: int | None = None) -> Summary:
        """The table of blocks: shapes, parameters, multiply-adds; prints itself."""
        from netruntime.draw import summary

        depth = None if depth is None else check_count(depth, "depth", 0)
        return summary(self.computation, depth=depth)

    def _repr_html_(self) -> str:
        """The drawing, for a notebook."""
        from netruntime.draw import draw_svg

        svg = draw_svg(self.computation, title=self.name)
        # a page takes the first mark of a name: each drawing needs one of its own
        return svg.replace("nd-tip", f"nd-tip-{os.urandom(4).hex()}")

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name}: {type_}" for name, type_ in self.inputs.items())
        outputs = ", ".join(f"{name}: {type_}" for name, type_ in self.outputs.items())
        return f"<{self.name}({inputs}) -> {outputs} on {self.device.name}>"
