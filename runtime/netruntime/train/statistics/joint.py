"""The loss of several batches together, as a graph that runs on one of them at a time.

In it, each statistic of the batch is replaced by that of all batches: `scale*own + shift`, where `scale` is
the derivative of the total by the batch's own value, and `shift` what the other batches add. The gradients of
this loss, summed over the batches, are those of one batch with all of their rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netdsl.dims import symbol
from netdsl.graph import Graph, GraphTape, Port
from netdsl.immutable import immutable
from netdsl.ops.contract.value import Value
from netruntime.files.arrays import Array
from netruntime.train.statistics.kinds import Reading, Statistic
from netruntime.train.statistics.split import Split


@immutable
class Joint:
    """The graph with the joint loss.

    `names` are its further inputs for each statistic: the scale, the shift, and the scale of the mean.
    """

    graph: Graph
    loss: Port
    statistics: tuple[Statistic, ...]
    names: tuple[tuple[str, str, str], ...]

    def needed(self, graph: Graph, wanted: Sequence[Port]) -> list[Port]:
        """The values of the batches from which the further inputs that `wanted` needs are computed."""
        inputs = {graph.node(number).label for number in graph.needed_for(node for node, _ in wanted)}
        ports: dict[Port, None] = {}
        for statistic, (scale, shift, of_mean) in zip(self.statistics, self.names, strict=True):
            if shift in inputs:
                ports |= dict.fromkeys(statistic.ports)
            elif scale in inputs or of_mean in inputs:
                ports |= dict.fromkeys(statistic.scale_ports)
        return list(ports)

    def inputs(self, readings: Sequence[Sequence[Reading]]) -> list[dict[str, Array]]:
        """The further inputs for each batch, from the readings of all."""
        results: list[dict[str, Array]] = [{} for _ in readings]
        for n, statistic in enumerate(self.statistics):
            scale, shift, of_mean = self.names[n]
            parts = [reading[n] for reading in readings]
            total = statistic.combine(parts)
            for part, result in zip(parts, results, strict=True):
                share, mean_share = statistic.share(part, parts, total)
                own = share * part.value
                if mean_share is not None and part.mean is not None:
                    own = own + mean_share * part.mean
                    result[of_mean] = np.asarray(mean_share)
                is_float = self.graph.type_of(statistic.port).dtype.is_float
                result[scale] = np.broadcast_to(share, part.value.shape)
                result[shift] = np.asarray(total.value - own if is_float else total.value)
        return results


def join_batches(split: Split, name: str) -> Joint:
    """The joint loss of a split; `name` is the output that is the loss."""
    graph = split.graph.copy()
    graph.interface = split.graph.interface
    names = tuple((f"scale {n}", f"shift {n}", f"scale of mean {n}") for n in range(len(split.statistics)))
    totals = {
        statistic.port: _total(graph, statistic, own).ref
        for statistic, own in zip(split.statistics, names, strict=True)
    }
    loss = split.copy_output(
        name, graph, totals, {size: symbol(total_of(size)) for size in free_sizes(graph)}
    )
    return Joint(graph, loss, split.statistics, names)


def total_of(size: str) -> str:
    """The name of a free size of all batches together."""
    return f"{size} of all batches"


def free_sizes(graph: Graph) -> set[str]:
    """The free sizes in the types of a graph's values."""
    types = (type_ for _, node in graph.operators() for type_ in node.types)
    return {name for type_ in types for size in type_.shape for name in size.symbols}


def all_sizes(batch: str | None, sizes: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The free sizes of all batches together: the sum of the rows, and the largest of the others."""
    names = {name for own in sizes for name in own}
    total = {name: max(own.get(name, 0) for own in sizes) for name in names}
    return total if batch is None else total | {batch: sum(own[batch] for own in sizes)}


def _total(graph: Graph, statistic: Statistic, names: tuple[str, str, str]) -> Value:
    """The statistic of all batches, from that of one and further inputs."""
    tape = GraphTape(graph, graph.node(statistic.port[0]))
    own = tape.value(statistic.port)
    scale, shift, of_mean = names
    total = tape.input(shift, own.type)
    if not own.dtype.is_float:
        return total
    total = own * tape.input(scale, own.type) + total
    if statistic.mean is not None:
        total = total + tape.value(statistic.mean) * tape.input(of_mean, own.type)
    return total


def batch_values(
    ports: Sequence[Port], values: Sequence[Array], sizes: Mapping[str, int], rows: int, joint: Split
) -> tuple[Reading, ...]:
    """The readings of all statistics of one batch, from the values of some ports."""
    known = dict(zip(ports, values, strict=True))
    readings = []
    for statistic in joint.statistics:
        shape = tuple(size.evaluate(sizes) for size in joint.graph.type_of(statistic.port).shape)
        needs = [port for port in (statistic.weight, statistic.mean) if isinstance(port, tuple)]
        filled = known | {port: np.zeros(shape) for port in needs if port not in known}
        readings.append(statistic.read(filled, sizes, rows, shape))
    return tuple(readings)
