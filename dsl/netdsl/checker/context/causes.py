"""What an error was about, as values: `checker.ways` works out changes of the text from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl import syntax as s
from netdsl.checker.context.values import Binding, Tensor
from netdsl.dims import Dim
from netdsl.immutable import immutable
from netdsl.modules import Module
from netdsl.ops.contract.base import Op, OpError
from netdsl.source import Span
from netdsl.types import DType


@immutable
class Where:
    """The body in which something failed, and its names at that time.

    Attributes:
        root: The file that is checked; only its text is changed.
        span: The place in the text of what failed; in a standard block, the user's call of it.
        callee: The block that is called there, if one is.
    """

    root: Module
    module: Module
    block: s.Block | None
    names: Mapping[str, Binding]
    span: Span
    callee: s.Block | None = None
    inside: Mapping[str, Binding] | None = None
    """The names inside the standard block that failed, if one did; `names` are then those of its caller."""


@immutable
class Refused:
    """An operator refused its inputs: `tensors` by slot; `attribute` is where a wrong argument is."""

    where: Where
    op: Op
    tensors: Mapping[str, Tensor]
    wrong: OpError
    attribute: Span | None = None


@immutable
class Mismatch:
    """A tensor does not match a type as written.

    Attributes:
        tensor: The tensor.
        elements: The sizes as written.
        pattern: The place of the type.
        dtype: The element type as written, if that is what differs.
        sizes: The size that was expected and the actual one, if they differ.
        name: The input or output that has the type.
        role: `input`, `output` or `state`.
    """

    where: Where
    tensor: Tensor
    elements: Sequence[s.Expr]
    pattern: Span
    name: str
    role: str
    dtype: DType | None = None
    sizes: tuple[Dim, Dim] | None = None


@immutable
class Unequal:
    """Two sizes that must be equal; or, with `parts`, a size of which each part must be a divisor.

    A part is a number and the place that sets it.
    """

    where: Where
    expected: Dim
    actual: Dim
    parts: tuple[tuple[int, Span], ...] = ()


@immutable
class Lengths:
    """The lengths of a scan that do not fit its sequences."""

    where: Where
    length: Tensor
    sequence: Tensor
    place: Span


@immutable
class NotANumber:
    """A number combined with a tensor of true and false values."""

    where: Where


@immutable
class Branches:
    """A residual whose body and shortcut differ."""

    where: Where
    core: s.Residual
    body: Tensor
    shortcut: Tensor


@immutable
class Unnamed:
    """A name that nothing defines, and nothing known is like."""

    where: Where
    place: Span


@immutable
class Asserted:
    """An assertion of a block does not hold."""

    where: Where


@immutable
class Edited:
    """Anything else, with its changes: for each, the help and the replacements."""

    changes: Sequence[tuple[str, Sequence[tuple[Span, str]]]]


Cause = Refused | Mismatch | Unequal | Lengths | NotANumber | Branches | Unnamed | Asserted | Edited
