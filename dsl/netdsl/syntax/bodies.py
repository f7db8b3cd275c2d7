"""What the bodies of blocks consist of: expressions, stages of pipelines, statements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, fields
from typing import TypeVar

from netdsl.immutable import immutable
from netdsl.source import Span


@immutable
class Node:
    span: Span = field(compare=False, repr=False)


@immutable
class Ident(Node):
    """A name where it is bound, not used: a label, a parameter, a binding."""

    text: str

    def __str__(self) -> str:
        return self.text


N = TypeVar("N", bound=Node)

# -- expressions ---------------------------------------------------------------------------------


@immutable
class Name(Node):
    text: str


@immutable
class Number(Node):
    value: int | float


@immutable
class Text(Node):
    value: str


@immutable
class Boolean(Node):
    value: bool


@immutable
class NoneValue(Node):
    pass


@immutable
class Star(Node):
    """`*rest` in a list of sizes."""

    value: Expr


@immutable
class Slice(Node):
    """`start:stop:step` in an index."""

    start: Expr | None
    stop: Expr | None
    step: Expr | None


@immutable
class ListExpr(Node):
    """`[a, b]`: a list of values, the sizes of a type, or the axes of a rearrangement."""

    elements: tuple[Expr, ...]


@immutable
class Operation(Node):
    """Operators of one precedence, applied from the left: `a + b - c`."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@immutable
class Negative(Node):
    value: Expr


@immutable
class Not(Node):
    value: Expr


@immutable
class Logic(Node):
    """`and` or `or` of two or more operands."""

    operator: str
    operands: tuple[Expr, ...]


@immutable
class Conditional(Node):
    """`then if condition else otherwise`."""

    then: Expr
    condition: Expr
    otherwise: Expr


@immutable
class Argument(Node):
    """One argument of a call; `axes` is the list after `=>`, which only einsum takes."""

    name: Ident | None
    value: Expr
    axes: ListExpr | None = None


@immutable
class Call(Node):
    function: Expr
    arguments: tuple[Argument, ...]


@immutable
class Attribute(Node):
    value: Expr
    name: Ident


@immutable
class Index(Node):
    """`value[elements]`: an element of a list, a slice of a tensor, or a type such as `f32[B, 3]`."""

    value: Expr
    elements: tuple[Expr, ...]


@immutable
class Pipeline(Node):
    """`source -> stage -> stage`."""

    source: Expr
    stages: tuple[Stage, ...]


@immutable
class Unknown(Node):
    """An expression that cannot be read, such as a number that does not fit in 64 bits."""


Expr = (
    Name
    | Number
    | Text
    | Boolean
    | NoneValue
    | Star
    | Slice
    | ListExpr
    | Operation
    | Negative
    | Not
    | Logic
    | Conditional
    | Call
    | Attribute
    | Index
    | Pipeline
    | Unknown
)

# -- stages --------------------------------------------------------------------------------------


@immutable
class Apply(Node):
    """A stage that calls a block or a function: `Linear(10)`, `relu`."""

    call: Expr


@immutable
class Choice(Node):
    """`A if condition else B` as a stage."""

    then: Expr
    condition: Expr
    otherwise: Expr


@immutable
class Residual(Node):
    """`residual { body } via { shortcut }`: the body's result plus the shortcut's."""

    body: Chain
    via: Chain | None


@immutable
class Loop(Node):
    """`for variable in start..stop { body }`."""

    variable: Ident
    start: Expr
    stop: Expr
    body: Chain


@immutable
class Scan(Node):
    """`scan Cell(..)(..) reverse states`."""

    call: Expr
    modifiers: tuple[Ident, ...]


@immutable
class Fork(Node):
    """`( A | B )`: every arm has the same input."""

    arms: tuple[Chain, ...]


@immutable
class Rearrange(Node):
    """`[B, T, h*d] => [B, h, T, d]`."""

    left: ListExpr
    right: ListExpr


@immutable
class Group(Node):
    """`{ chain }` as one stage, so that it can be labelled or repeated."""

    body: Chain


Core = Apply | Choice | Residual | Loop | Scan | Fork | Rearrange | Group


@immutable
class Repeat(Node):
    """`* count`, or `* count shared`."""

    count: Expr
    modifier: Ident | None


@immutable
class Stage(Node):
    label: Ident | None
    core: Core
    repeat: Repeat | None
    when: Expr | None


@immutable
class Chain(Node):
    stages: tuple[Stage, ...]


# -- statements ----------------------------------------------------------------------------------


@immutable
class Let(Node):
    name: Ident
    value: Expr


@immutable
class Layer(Node):
    name: Ident
    value: Expr


@immutable
class Declaration(Node):
    """`param`, `buffer`, `const` or `state`: a named tensor of the block."""

    kind: str
    name: Ident
    type: Expr
    value: Expr | None
    when: Expr | None
    doc: str = field(default="", compare=False)


@immutable
class Next(Node):
    name: Ident
    value: Expr


@immutable
class Bind(Node):
    names: tuple[Ident, ...]
    value: Expr


@immutable
class Return(Node):
    values: tuple[Expr, ...]


@immutable
class Assert(Node):
    condition: Expr
    message: str | None


@immutable
class Expect(Node):
    """`expect value`, `expect value is type`, or `expect value ~ other within tolerance`."""

    value: Expr
    type: Expr | None
    other: Expr | None
    modifier: Ident | None
    tolerance: Expr | None


@immutable
class Broken(Node):
    """A statement, or a line of a section, that cannot be read; `names` are those that it would bind."""

    names: tuple[Ident, ...]


Statement = Let | Layer | Declaration | Next | Bind | Return | Assert | Expect | Broken


def names_in(node: object) -> Iterator[Name]:
    """All names that are used in a node, or in a tuple of nodes, in the order of the text."""
    return _nodes_in(node, Name)


def numbers_in(node: object) -> Iterator[int | float]:
    """All numbers that are written in a node, or in a tuple of nodes."""
    return (number.value for number in _nodes_in(node, Number))


def _nodes_in(node: object, kind: type[N]) -> Iterator[N]:
    """All nodes of a kind in a node, or in a tuple of nodes."""
    if isinstance(node, kind):
        yield node
    elif isinstance(node, Node):
        for part in fields(node):
            yield from _nodes_in(getattr(node, part.name), kind)
    elif isinstance(node, tuple):
        for element in node:
            yield from _nodes_in(element, kind)


def bound_names(statement: Statement) -> tuple[Ident, ...]:
    """The names that a statement binds; that of `next h = ..` is `h'`."""
    if isinstance(statement, Bind | Broken):
        return statement.names
    if isinstance(statement, Let | Layer | Declaration):
        return (statement.name,)
    if isinstance(statement, Next):
        return (Ident(statement.name.span, statement.name.text + "'"),)
    return ()


def callee(expr: Expr) -> Expr:
    """What a chain of calls calls at first: `Linear` of `Linear(120)`, `f` of `f(1)(x)`."""
    while isinstance(expr, Call):
        expr = expr.function
    return expr
