"""The values of expressions while checking: static values, and tensors of which only the type is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import TypeAlias, TypeGuard, TypeVar

from netdsl.dims import Dim
from netdsl.immutable import immutable
from netdsl.model import OUTSIDE, Body, Init
from netdsl.modules import Module
from netdsl.ops.contract.base import Op
from netdsl.source import Span
from netdsl.syntax import Block
from netdsl.types import DType, TensorType
from netdsl.work import spend


@immutable
class Tensor:
    """A value of the body being built. `names` are the axis names that the block declares, if any."""

    value: int
    type: TensorType
    names: tuple[str | None, ...]
    span: Span


@immutable
class BlockValue:
    """A block, cell or model; with its static arguments once it is constructed."""

    block: Block = field(compare=False)
    module: Module = field(compare=False)
    statics: tuple[tuple[str, Static, Span], ...] | None = field(default=None, compare=False)

    @property
    def key(self) -> object:
        statics = None if self.statics is None else tuple((n, key_of(v)) for n, v, _ in self.statics)
        return id(self.block), statics

    @cached_property
    def literal_size(self) -> int:
        return 1 + sum(literal_size(value) for _, value, _ in self.statics or ())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockValue) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.block.name.text


@immutable
class OpValue:
    """An operator, with the static arguments it has so far."""

    op: type[Op]
    arguments: tuple[tuple[str, Evaluated, Span], ...] = ()

    @cached_property
    def literal_size(self) -> int:
        return 1 + sum(literal_size(value) for _, value, _ in self.arguments)

    def __str__(self) -> str:
        return self.op.name


@immutable
class LayerValue:
    """`layer x = Block(..)`: every use shares the weights under `path`, which is the name unless given.

    `outward` is how many bodies further out the layer is declared; its block is as seen from there.
    """

    name: str
    block: BlockValue
    span: Span
    label: str | None = None
    outward: int = 0

    @property
    def path(self) -> str:
        return OUTSIDE * self.outward + (self.name if self.label is None else self.label)

    def __str__(self) -> str:
        return self.name


@dataclass
class LayerUse:
    """The uses of a layer so far: their count, the body of the first, and the results by inputs."""

    count: int = 0
    body: Body | None = None
    span: Span | None = None
    inputs: tuple[Tensor | None, ...] = ()
    results: dict[tuple[int, ...], list[Tensor]] = field(default_factory=dict)


@immutable
class Unfinished:
    """A model with errors: what is known of it all the same. A type that is not known is None."""

    name: str
    inputs: dict[str, TensorType | None]
    outputs: dict[str, TensorType | None]
    symbols: dict[str, Span]
    span: Span


class Poison(Enum):
    """Placeholder for a value that already failed; using it reports nothing new."""

    POISON = "an unknown value"

    def __str__(self) -> str:
        return self.value


POISON = Poison.POISON


class PoisonedError(Exception):
    """Raised when a poisoned value is used."""


Number: TypeAlias = int | float | Dim
Scalar: TypeAlias = int | float | str | Dim | DType | Init | BlockValue | OpValue | LayerValue | None
Static: TypeAlias = Scalar | tuple["Evaluated", ...]
"""A value known while checking; a tuple is a list of the language, and may hold tensors."""
Evaluated: TypeAlias = Static | Tensor
"""The value of an expression; a tuple of tensors is the result of a fork or of several outputs."""


@immutable
class Binding:
    """A name's value, and where it was bound."""

    value: Evaluated | Poison
    span: Span
    kind: str = "value"


def is_bundle(value: object) -> TypeGuard[tuple[Tensor, ...]]:
    """Whether the value is several tensors: the result of a fork or of several outputs."""
    return isinstance(value, tuple) and bool(value) and all(isinstance(v, Tensor) for v in value)


def is_integer(value: object) -> TypeGuard[int | Dim]:
    return isinstance(value, (int, Dim)) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[Number]:
    return isinstance(value, (int, float, Dim)) and not isinstance(value, bool)


def is_static(value: object) -> TypeGuard[Static]:
    """Whether the value, with all elements of a list, is one of the language that is known while checking."""
    if isinstance(value, tuple):
        return all(map(is_static, value))
    return isinstance(value, Scalar)


def key_of(value: Evaluated) -> object:
    """A hashable that distinguishes 1, 1.0 and true."""
    if isinstance(value, tuple):
        spend(len(value) / 4)
        return tuple(map(key_of, value))
    if isinstance(value, BlockValue):
        return value.key
    if isinstance(value, OpValue):
        return value.op, tuple((n, key_of(v)) for n, v, _ in value.arguments)
    if isinstance(value, Dim):
        return value.value if value.is_fixed else value
    return type(value), value


MAX_LITERAL_SIZE = 100_000
"""The largest number of values in a list, a text or the arguments of a block, including nested ones."""


def literal_size(value: Evaluated) -> int:
    """The size of a value: the values of a list, the characters of a text, the arguments of a block."""
    if isinstance(value, tuple):
        spend(len(value) / 8)
        return 1 + sum(map(literal_size, value))
    if isinstance(value, (BlockValue, OpValue)):
        return value.literal_size
    return len(value) if isinstance(value, str) else 1


def from_inside(value: Static) -> Static:
    """A static argument as the body that takes it sees it: its layers are one body further out."""
    if isinstance(value, LayerValue):
        return replace(value, outward=value.outward + 1)
    if isinstance(value, BlockValue) and value.statics:
        return replace(value, statics=tuple((n, from_inside(v), at) for n, v, at in value.statics))
    if isinstance(value, tuple) and any(layers_in(value)):
        return tuple(v if isinstance(v, Tensor) else from_inside(v) for v in value)
    return value


def layers_in(value: Evaluated) -> Iterator[LayerValue]:
    """The layers of a static value, those in lists and in the arguments of blocks included."""
    if isinstance(value, LayerValue):
        yield value
    elif isinstance(value, tuple):
        spend(len(value) / 4)
        for element in value:
            yield from layers_in(element)
    elif isinstance(value, BlockValue):
        for _, argument, _ in value.statics or ():
            yield from layers_in(argument)


T = TypeVar("T")


def simplify(value: T) -> T | int:
    """A fixed size as a plain integer."""
    return value.value if isinstance(value, Dim) and value.is_fixed else value


def describe(value: Evaluated | Poison) -> str:
    """A description of a value, for a message."""
    if isinstance(value, Tensor):
        return f"a tensor {value.type}"
    if is_bundle(value):
        return f"{len(value)} tensors"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, int):
        return f"the integer {value}"
    if isinstance(value, Dim):
        return f"the size `{value}`"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, str):
        return f'the string "{value}"'
    if isinstance(value, tuple):
        return f"a list of {len(value)}"
    kinds = {
        BlockValue: "the block",
        OpValue: "the function",
        LayerValue: "the layer",
        DType: "the element type",
    }
    for kind, words in kinds.items():
        if isinstance(value, kind):
            return f"{words} `{value}`"
    return f"`{value}`"
