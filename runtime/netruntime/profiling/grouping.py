"""The parts of a profile taken together by line, by label or by operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from netdsl.immutable import immutable
from netruntime.profiling.measuring import Profile
from netruntime.profiling.parts import Part

Grouping = Literal["line", "label", "operator"]
GROUPINGS: tuple[Grouping, ...] = ("line", "label", "operator")
Order = Literal["time", "source"]
ORDERS: tuple[Order, ...] = ("time", "source")


@immutable
class ProfileRow:
    """Some parts together.

    Args:
        file, line: Where the first of them is in the source.
        text: Their source line, label or operator.
    """

    file: str
    line: int
    text: str
    parts: tuple[Part, ...]
    share: float

    @property
    def seconds(self) -> float:
        return sum(part.seconds for part in self.parts)

    @property
    def multiply_adds(self) -> int:
        return sum(part.multiply_adds for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def gflops(self) -> float | None:
        """10⁹ operations in a second, a multiply-add being two; None where there are none."""
        if not self.multiply_adds or not self.seconds:
            return None
        return 2 * self.multiply_adds / self.seconds / 1e9

    @property
    def operators(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.operator for part in self.parts))

    @property
    def kernels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(kernel for part in self.parts for kernel in part.kernels))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.label for part in self.parts))

    def as_dict(self) -> dict[str, Any]:
        """The row for programs."""
        return {
            "file": self.file,
            "line": self.line,
            "text": self.text,
            "labels": list(self.labels),
            "operators": list(self.operators),
            "kernels": list(self.kernels),
            "seconds": self.seconds,
            "share": self.share,
            "multiply_adds": self.multiply_adds,
            "gflops": self.gflops,
            "bytes": self.bytes,
        }


def rows_of(profile: Profile, by: Grouping, order: Order = "time") -> list[ProfileRow]:
    """The parts together by line of the source, by label or by operator, in the order of time or source."""
    keys: dict[Grouping, Callable[[Part], Any]] = {
        "line": lambda part: (part.span.source.name, part.span.line),
        "label": lambda part: part.label,
        "operator": lambda part: part.operator,
    }
    groups: dict[Any, list[Part]] = {}
    for part in profile.parts:
        groups.setdefault(keys[by](part), []).append(part)
    total = profile.kernel_seconds or 1.0
    rows = [_row(parts, by, total) for parts in groups.values()]
    if order == "source":
        return sorted(rows, key=lambda row: (row.file, row.line))
    return sorted(rows, key=lambda row: -row.seconds)


def _row(parts: Sequence[Part], by: Grouping, total: float) -> ProfileRow:
    span = min((part.span for part in parts), key=lambda span: (span.source.name, span.line))
    texts = {
        "line": span.source.line(span.line).strip(),
        "label": parts[0].label,
        "operator": parts[0].operator,
    }
    return ProfileRow(span.source.name, span.line, texts[by], tuple(parts), _seconds(parts) / total)


def _seconds(parts: Iterable[Part]) -> float:
    return sum(part.seconds for part in parts)
