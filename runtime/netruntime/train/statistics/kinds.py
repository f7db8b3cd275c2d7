"""How the statistics of several batches combine into those of one batch with all of their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import reduce

import numpy as np

from netdsl.dims import Dim
from netdsl.graph import Port
from netdsl.immutable import immutable
from netruntime.files.arrays import Array


class Kind(Enum):
    """What a statistic is over the rows of a batch."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    PRODUCT = "product"
    LOGSUMEXP = "logsumexp"
    VARIANCE = "variance"
    ROWS = "rows"
    """A value of the batch that no rule combines: the mean of the batches by their rows is taken."""


@immutable
class Statistic:
    """A value of a graph over which the rows of a batch are reduced.

    Args:
        port: The value.
        kind: How it combines.
        weight: The number of elements of a mean or variance, as a size or as a value of the graph.
        mean: For a variance, the mean of its elements.
        correction: For a variance, what is subtracted from the number of elements.
    """

    port: Port
    kind: Kind
    weight: Dim | Port | None = None
    mean: Port | None = None
    correction: int = 0

    @property
    def ports(self) -> tuple[Port, ...]:
        """The values of the graph that make up a reading."""
        return (self.port, *self.scale_ports)

    @property
    def scale_ports(self) -> tuple[Port, ...]:
        """Those of `ports` that the share of a batch in the total depends on, without the sizes."""
        if self.kind in (Kind.SUM, Kind.ROWS):
            return ()
        if self.kind is Kind.MEAN:
            return (self.weight,) if isinstance(self.weight, tuple) else ()
        return (self.port,) if self.mean is None else (self.port, self.mean)

    def read(
        self, values: Mapping[Port, Array], sizes: Mapping[str, int], rows: int, shape: tuple[int, ...]
    ) -> Reading:
        """The reading of a batch from those of its values that were computed; the others read as 0."""
        weight: Array | int = rows
        if isinstance(self.weight, Dim):
            weight = self.weight.evaluate(sizes)
        elif self.weight is not None:
            weight = values[self.weight]
        value = np.asarray(values.get(self.port, np.zeros(shape)), np.float64)
        mean = None if self.mean is None else np.asarray(values[self.mean], np.float64)
        return Reading(value, np.asarray(weight, np.float64), mean)

    def combine(self, readings: Sequence[Reading]) -> Reading:
        """The reading of one batch with the rows of all of these."""
        with np.errstate(all="ignore"):
            return reduce(lambda a, b: self._both(a, b), readings)

    def _both(self, a: Reading, b: Reading) -> Reading:
        weight = a.weight + b.weight
        if self.kind is Kind.VARIANCE:
            return self._both_variances(a, b, weight)
        if self.kind in (Kind.MEAN, Kind.ROWS):
            return Reading(_weighted_mean(a, b, weight), weight)
        return Reading(_COMBINED[self.kind](a.value, b.value), weight)

    def _both_variances(self, a: Reading, b: Reading, weight: Array) -> Reading:
        """By the formula of Chan, Golub and LeVeque (1983)."""
        assert a.mean is not None and b.mean is not None
        apart = b.mean - a.mean
        squares = sum(r.value * (r.weight - self.correction) for r in (a, b))
        squares = squares + np.square(apart) * a.weight * b.weight / weight
        mean = a.mean + apart * b.weight / weight
        return Reading(squares / (weight - self.correction), weight, mean)

    def share(self, part: Reading, readings: Sequence[Reading], total: Reading) -> tuple[Array, Array | None]:
        """The derivatives of the total by the value and by the mean of one batch."""
        with np.errstate(all="ignore"):
            if self.kind in (Kind.MEAN, Kind.ROWS):
                return np.where(total.weight > 0, part.weight / total.weight, 0.0), None
            if self.kind in (Kind.MAX, Kind.MIN):
                ties = sum((other.value == total.value).astype(np.float64) for other in readings)
                return (part.value == total.value) / np.maximum(ties, 1.0), None
            if self.kind is Kind.PRODUCT:
                others = [other.value for other in readings if other is not part]
                return reduce(np.multiply, others, np.ones_like(part.value)), None
            if self.kind is Kind.LOGSUMEXP:
                return np.exp(part.value - total.value), None
            if self.kind is Kind.VARIANCE and part.mean is not None:
                count = total.weight - self.correction
                return (
                    (part.weight - self.correction) / count,
                    2 * part.weight * (part.mean - total.mean) / count,
                )
        return np.ones_like(part.value), None


@immutable
class Reading:
    """A statistic of one batch, or of several: arrays in f64. `mean` is that of a variance's elements."""

    value: Array
    weight: Array
    mean: Array | None = None

    def to_array(self) -> Array:
        """All in one array, `[2 or 3, *shape]`, for a checkpoint."""
        parts = [self.value, np.broadcast_to(self.weight, self.value.shape)]
        return np.stack(parts if self.mean is None else [*parts, self.mean])

    @classmethod
    def from_array(cls, array: Array) -> Reading:
        """The inverse of `to_array`."""
        return cls(*(np.asarray(part) for part in array))


def _weighted_mean(a: Reading, b: Reading, weight: Array) -> Array:
    """The mean of both, of which one without elements may have any value."""
    total = sum(np.where(r.weight > 0, r.weight * r.value, 0.0) for r in (a, b))
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), a.value)


_COMBINED: Mapping[Kind, Callable[[Array, Array], Array]] = {
    Kind.SUM: np.add,
    Kind.MAX: np.maximum,
    Kind.MIN: np.minimum,
    Kind.PRODUCT: np.multiply,
    Kind.LOGSUMEXP: np.logaddexp,
}
