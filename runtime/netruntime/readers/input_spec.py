"""The requirements of an input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netdsl.dims import Dim
from netdsl.immutable import immutable
from netdsl.source import Span
from netdsl.types import TensorType
from netruntime.errors import DataInputError, shown


@immutable
class InputSpec:
    """A model's input: its name, its type (symbols are free), and where the `.net` file declares it.

    Its first axis is the batch axis, unless it `is_item`: a single picture `[C, H, W]`.
    """

    name: str
    type: TensorType
    span: Span | None = None
    is_item: bool = False

    @property
    def batch(self) -> tuple[Dim, ...]:
        """The batch axis, if there is one."""
        return () if self.is_item else self.type.shape[:1]

    @property
    def item(self) -> tuple[Dim, ...]:
        """The axes of one row."""
        return self.type.shape if self.is_item else self.type.shape[1:]

    def __str__(self) -> str:
        return f"input {shown(self.name)}"

    def refuse(self, code: str, message: str, *, help: str | None = None) -> DataInputError:
        """An error about data for this input, with the place of its declaration."""
        span = self.span or next((size.origin for size in self.type.shape if size.is_fixed), None)
        text = f"{self.name} is {self.type} here" if span else ""
        return DataInputError.make(code, message, span, text, help=help)


@contextmanager
def declared(wanted: InputSpec) -> Iterator[None]:
    """Add the location of the input's declaration to errors about data that are raised inside."""
    try:
        yield
    except DataInputError as failed:
        first = failed.diagnostics[0]
        if first.labels or wanted.span is None:
            raise
        raise wanted.refuse(first.code, first.message, help=first.help) from failed
