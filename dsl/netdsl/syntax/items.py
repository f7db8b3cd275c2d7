"""The parts of a file: its header, imports, blocks, and sections."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property

from netdsl.immutable import immutable
from netdsl.syntax.bodies import (
    Assert,
    Bind,
    Broken,
    Chain,
    Expr,
    Ident,
    Let,
    Next,
    Node,
    Statement,
    Text,
    bound_names,
)


@immutable
class Param(Node):
    """A static parameter, or a tensor input where `type` is a tensor type."""

    name: Ident
    type: Expr | None
    default: Expr | None
    doc: str = field(default="", compare=False)


@immutable
class Output(Node):
    name: Ident | None
    type: Expr


@immutable
class Header(Node):
    major: int
    minor: int


@immutable
class Import(Node):
    path: Text
    alias: Ident | None


@immutable
class ConfigEntry(Node):
    name: Ident
    type: Expr | None
    value: Expr
    doc: str = field(default="", compare=False)


@immutable
class Config(Node):
    entries: tuple[ConfigEntry | Assert | Broken, ...]


@immutable
class Block(Node):
    """A `block`, `cell` or `model`. A short block has a chain instead of statements."""

    kind: str
    name: Ident
    statics: tuple[Param, ...]
    inputs: tuple[Param, ...] | None
    outputs: tuple[Output, ...] | None
    body: tuple[Statement, ...]
    chain: Chain | None = None
    doc: str = field(default="", compare=False)

    @cached_property
    def bindings(self) -> dict[str, Ident]:
        """Each name that a statement binds, where the first one does; those of `next` are left out."""
        first: dict[str, Ident] = {}
        for statement in self.body:
            for name in () if isinstance(statement, Next) else bound_names(statement):
                first.setdefault(name.text, name)
        return first


@immutable
class WeightRule(Node):
    """`"theirs" + "theirs" => "ours"`: ours is their sum, mostly of one; None if theirs are omitted."""

    theirs: tuple[Text, ...]
    ours: Text | None
    modifiers: tuple[Ident, ...]


@immutable
class Weights(Node):
    name: Ident
    rules: tuple[WeightRule, ...]


@immutable
class TrainInput(Node):
    name: Ident
    type: Expr


@immutable
class Metric(Node):
    name: Ident
    value: Expr


@immutable
class Setting(Node):
    """`optimizer = adam(lr=1e-3)`; a name that is not a setting is a value that other lines use."""

    name: Ident
    value: Expr


@immutable
class Patterns(Node):
    """`over "D.*"`, or `clip "decoder.*" = norm(0.5)`, which sets a value for the weights of the patterns."""

    word: Ident
    patterns: tuple[Text, ...]
    value: Expr | None = None


TrainLine = TrainInput | Metric | Setting | Bind | Patterns | Let | Assert | Broken


@immutable
class Train(Node):
    name: Ident | None
    lines: tuple[TrainLine, ...]


@immutable
class Test(Node):
    name: Text
    body: tuple[Statement, ...]


@immutable
class BrokenItem(Node):
    """An item that cannot be read.

    Attributes:
        kind: Its first word.
        words: The words of its header, which may be inputs and sizes.
        body: The statements behind a header that cannot be read.
    """

    kind: str
    name: Ident | None
    words: tuple[Ident, ...] = ()
    body: tuple[Statement, ...] = ()


Item = Header | Import | Config | Block | Weights | Train | Test | BrokenItem


@immutable
class File(Node):
    items: tuple[Item, ...]

    def of(self, kind: str) -> list[Block]:
        """The `block`s, `cell`s or `model`s of the file."""
        return [item for item in self.items if isinstance(item, Block) and item.kind == kind]
