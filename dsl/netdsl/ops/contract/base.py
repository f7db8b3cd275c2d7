"""The definition of an operator: one frozen class that holds all its facets.

An operator is a class of immutable values. Its fields are its static attributes, so that operators are
hashable and can key plans. Its class variable `inputs` names its tensor inputs in order: `"x"` is
required, `"bias?"` may be left out (the methods then get `None`), `"*xs"` takes any number.

The facets, all in the one class:

- `shape(*types)` gives the output types, on symbolic sizes, and raises `OpError` for bad input;
- `forward(xp, *arrays)` is the reference implementation, on any array module `xp` (NumPy or CuPy);
- `gradient(dy, y, *inputs)` is its derivative as a formula in other operators (see `value`), or
  `no_gradient` says why it has none;
- `axis_map(types, y)` says along which axes it treats each position independently, so that a model can
  run on new positions with caches of past ones (see `time`), or `no_stepping` says why it cannot;
- `category` is its kind of layer in drawings;
- `cost(*types)` counts multiply-adds;
- `examples()` are samples that drive the conformance tests, `bad_examples()` those that must be rejected.

In a `.net` file an operator is called by its lower-case name: `max_pool(x, 3, stride=2)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from netdsl.dims import Dim, DimLike, dim
from netdsl.immutable import immutable
from netdsl.ops.contract.samples import Draw
from netdsl.ops.contract.time import AxisMap, InputMap, InputTypes, TimeAxis, TimeSlice, UnsupportedError
from netdsl.types import TensorType

Axis = Annotated[int, "axis"]
"""An attribute that is one axis: an integer, or in a `.net` file also the axis's name."""
Axes = Annotated[tuple[int, ...], "axes"]
"""An attribute that is one axis or a list of axes."""
Ints = tuple[int, ...]
"""An attribute that is one integer or a list: `stride=2`, `stride=[2, 1]`."""
Sizes = tuple[Dim, ...]
"""An attribute that is a list of axis sizes, which may hold free symbols until a plan binds them."""

Array = Any
"""An array of whichever array module runs the model."""
Module = Any
"""`numpy` or `cupy`."""
Types = TensorType | tuple[TensorType, ...]
Category = Literal["product", "attention", "norm", "activation", "pool", "group", "pill", "plain"]
"""The kind of layer that an operator belongs to; drawings give each a colour."""


class OpError(Exception):
    """An operator cannot take these inputs or attributes.

    Its `code` is E0303 for element types (`TypeMismatch`), E0404 for an invalid attribute,
    whatever the inputs, and E0302 for everything else.

    Args:
        message: What is wrong, with the expected and the actual value. The operator's name precedes it.
        at: The inputs involved, as `"x"` or `("x", axis)`; the message shows where they came from.
        attribute: The attribute involved, if any.
        help: What the user can do.
    """

    def __init__(
        self,
        message: str,
        *,
        at: Iterable[str | tuple[str, int]] = (),
        attribute: str | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.at = tuple((a, None) if isinstance(a, str) else a for a in at)
        self.attribute = attribute
        self.help = help
        self.code = "E0404" if attribute is not None and not self.at else "E0302"


class TypeMismatch(OpError):
    """An operator cannot take inputs of these element types."""

    def __init__(
        self, message: str, *, at: Iterable[str | tuple[str, int]] = (), help: str | None = None
    ) -> None:
        super().__init__(message, at=at, help=help)
        self.code = "E0303"


class DataError(ValueError):
    """The values in an array, or sizes known only at run time, are invalid for the operator."""


@immutable
class Op:
    """Base of all operators; see the module's docstring."""

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    is_random: ClassVar[bool] = False
    """Whether `forward` also takes `rng=`, a seeded generator of the array module; see `draws`."""
    category: ClassVar[Category]
    """The kind of layer in drawings; every operator declares one, itself or by a base class."""
    is_weight_product: ClassVar[bool] = False
    """Whether rows, the first input, are multiplied with a matrix, the second; a third is added to each row.

    A scan computes the product of a complete sequence at once, and the matrix's gradient after all steps.
    """
    is_view: ClassVar[bool] = False
    """Whether each output is only another view of the first input, which costs nothing to compute."""
    counts_along: ClassVar[int | None] = None
    """The axis along which positions count from 0 if the last input, which holds them, is omitted."""
    no_gradient: ClassVar[str] = ""
    """Why the operator cannot be differentiated, for a message: "is a step function"."""
    data_help: ClassVar[str | None] = None
    """What to do about values that the operator cannot take, for a message."""
    no_stepping: ClassVar[str] = ""
    """Why the operator cannot run on new positions alone, for a message: "draws random numbers"."""

    def shape(self, *args: Any, **kwargs: Any) -> Types:
        """The output types for the input types. Raises `OpError`."""
        raise OpError("has no shape rule")

    def forward(self, xp: Module, *args: Any, **kwargs: Any) -> Any:
        """The outputs, as one array or a tuple of arrays, for input arrays."""
        raise OpError("has no forward rule")

    def gradient(self, dy: Any, y: Any, *inputs: Any) -> Any:
        """The gradients with respect to the inputs, as formulas in operators.

        Args:
            dy: The gradient with respect to the output; a tuple for several outputs, whose entries are
                None for those through which no gradient flows.
            y: The output, or the tuple of outputs.
            *inputs: The inputs, None where one is left out.

        Returns:
            One value for each input, of the input's type, or None if it has no gradient (integers,
            booleans); for one input, the value itself.

        At a kink the gradient is a subgradient: one of the slopes beside it, or a value between them.
        """
        raise NotImplementedError(self.name)

    def in_parts(self, *inputs: Any) -> Any:
        """The outputs composed of simpler operators, for an operator differentiated in parts; else None.

        Differentiation replaces the operator with these values. It is for operators whose gradient needs an
        intermediate result, such as the elements that dropout kept.
        """
        return None

    # -- along the time axis ------------------------------------------------------------------------

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        """The axis of the (first) output, of type `y`, that each axis of the inputs corresponds to.

        Raises `UnsupportedError` with `no_stepping` if the operator has no such map.
        """
        reason = self.no_stepping or "has no rule along the time axis"
        raise UnsupportedError(f"`{self.name}` {reason}")

    def on_chunk(self, time: TimeAxis, y: TensorType, positions: TimeSlice, x: InputMap) -> Op:
        """The operator that computes the output at `positions`, from inputs at the positions it needs.

        It differs from `self` only in attributes that are sizes: a time axis has the size of the chunk, or of
        all positions.

        Args:
            y: The type of the output over the full sequence.
            x: The axis map of the first input.

        Raises:
            UnsupportedError: if the attributes depend on time in a way that has no rule.
        """
        if self.depends_on(time.name):
            raise UnsupportedError(f"`{self.name}` depends on the number of positions")
        return self

    def left_context(self, xs: InputTypes, time: TimeAxis) -> LeftContext | None:
        """The positions that the operator inserts before those of an input along a time axis, if any."""
        return None

    def slides_along(self, xs: InputTypes, axis: int) -> bool:
        """Whether a mixed output axis only slides a window, so that a chunk of it can be computed alone."""
        return False

    def running_sum_axis(self, y: TensorType) -> int | None:
        """The axis along which the output is the sum of the input at the positions up to each, if any."""
        return None

    def check_time_axes(self, xs: InputTypes, time: TimeAxis) -> None:
        """Raise `UnsupportedError` if the operator cannot run along the time axes of these inputs.

        For example, if only some of several axes that must agree are time axes.
        """
        return

    @property
    def draws(self) -> bool:
        """Whether this operator draws random numbers, so that `forward` needs a generator as `rng=`."""
        return self.is_random

    def depends_on(self, name: str) -> bool:
        """Whether an attribute depends on the symbol `name`."""
        return any(_depends(getattr(self, field.name), name) for field in fields(self))

    def cost(self, *args: Any, **kwargs: Any) -> Dim:
        """Multiply-adds for the input types; 0 for operators without sums of products."""
        return dim(0)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        """Samples that must run and agree with an independent implementation."""
        return ()

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        """Samples that `shape` must reject, each with text that its message must contain."""
        return ()

    def bind(self, sizes: Mapping[str, DimLike]) -> Op:
        """This operator with free sizes in its attributes replaced by fixed or other ones."""
        changed = {}
        for field in fields(self):
            value = getattr(self, field.name)
            bound = _bind(value, sizes)
            if bound is not value:
                changed[field.name] = bound
        return replace(self, **changed) if changed else self


@immutable
class LeftContext:
    """`count` positions that an operator inserts before those of its input `slot`, along `axis`.

    At the start of a sequence they are the input `start`, or zeros if that is None. `rest` is the operator
    applied to the longer sequence, if any.
    """

    axis: int
    count: int
    slot: int = 0
    start: int | None = None
    rest: Op | None = None


def _depends(value: Any, name: str) -> bool:
    if isinstance(value, Dim):
        return name in value.symbols
    if isinstance(value, tuple):
        return any(_depends(part, name) for part in value)
    if isinstance(value, Op):
        return value.depends_on(name)
    return is_dataclass(value) and any(_depends(getattr(value, f.name), name) for f in fields(value))


def _bind(value: Any, sizes: Mapping[str, DimLike]) -> Any:
    if isinstance(value, Dim):
        return value if value.is_fixed else value.substitute(sizes)
    if isinstance(value, tuple) and any(isinstance(v, Dim) and not v.is_fixed for v in value):
        return tuple(_bind(v, sizes) for v in value)
    return value


# -- the registry --------------------------------------------------------------------------------

REGISTRY: dict[str, type[Op]] = {}
"""Every operator by its name in the language."""
INTERNAL: dict[str, type[Op]] = {}
"""Operators that only gradients use; the language does not know their names."""

_OpClass = TypeVar("_OpClass", bound=type[Op])


def operator(name: str, *inputs: str, internal: bool = False) -> Callable[[_OpClass], _OpClass]:
    """Register an operator class under its name in the language, with its tensor inputs.

    Args:
        internal: Only gradients use it; the language does not know its name.
    """

    def register(cls: _OpClass) -> _OpClass:
        if name in REGISTRY or name in INTERNAL:
            raise ValueError(f"operator `{name}` is defined twice")
        cls.name = name
        cls.inputs = inputs
        (INTERNAL if internal else REGISTRY)[name] = cls
        return cls

    return register


def op_named(name: str, *attributes: Any) -> Op:
    """The operator of that name, internal ones included, with these attributes.

    For operators that cannot import each other, such as an operator and its adjoint.
    """
    construct: Callable[..., Op] = REGISTRY[name] if name in REGISTRY else INTERNAL[name]
    return construct(*attributes)


# -- samples for the conformance tests -----------------------------------------------------------


@immutable
class Example:
    """An operator and the inputs to run it on; `None` omits an optional input."""

    op: Op
    inputs: tuple[Draw | None, ...]


def example(op: Op, *inputs: Draw | None) -> Example:
    return Example(op, inputs)


@immutable
class BadExample:
    """An operator, input types it must reject, and text that its message must contain."""

    op: Op
    inputs: tuple[TensorType | None, ...]
    words: str


def bad(words: str, op: Op, *inputs: TensorType | None) -> BadExample:
    return BadExample(op, inputs, words)
