"""The state of checking: one `Checker` for a file, one `Scope` for each body that is being built.

Expressions and stages are evaluated through tables by node type (`@evaluates`, `@runs`), so each kind
of node has its meaning in one place and no module needs to import those that come after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from netdsl import syntax as s
from netdsl.checker.context import reports
from netdsl.checker.context.reports import CallSite
from netdsl.checker.context.values import POISON, LayerUse, PoisonedError, Static, Tensor, Value
from netdsl.diagnostics import MAX_ERRORS, Diagnostic, Label, NetError
from netdsl.dims import Dim, FreeSizeError, SizeOverflowError
from netdsl.model import MAX_NODES, Body, CallStep, OpStep, Step, join
from netdsl.modules import Module
from netdsl.ops.contract.base import Op, OpError, Types
from netdsl.source import Span
from netdsl.types import DType, TensorType

MAX_CALL_DEPTH = 32
MAX_BODIES = 5_000
MAX_RANK = 64


class TooManyErrors(Exception):
    """Stops the check; what was found so far is reported."""


@dataclass
class Checker:
    """What all bodies of one check share."""

    module: Module
    config: Mapping[Module, Mapping[str, Static]] = field(default_factory=dict)
    training: bool = False
    found: list[Diagnostic] = field(default_factory=list)
    bodies: dict[object, Built | None] = field(default_factory=dict)
    building: list[tuple[object, str]] = field(default_factory=list)
    scanned: set[int] = field(default_factory=set)
    symbol_origins: dict[str, Span] = field(default_factory=dict)
    multiplier: int = 1

    def report(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep findings, each place and code once."""
        known = {(d.code, d.span, d.message) for d in self.found}
        self.found += [d for d in diagnostics if (d.code, d.span, d.message) not in known]
        if self.errors > MAX_ERRORS:
            raise TooManyErrors

    @property
    def errors(self) -> int:
        """How many errors were found so far."""
        return sum(d.severity == "error" for d in self.found)


@dataclass(frozen=True)
class Binding:
    """A name's value, and where it was given."""

    value: Value
    span: Span
    kind: str = "value"


@dataclass(frozen=True)
class Built:
    """A finished body, and the places in the first call of it that the origins of its sizes name."""

    body: Body
    places: tuple[Span | None, ...]


@dataclass
class Scope:
    """One body while it is being built."""

    checker: Checker
    module: Module
    block: s.Block | None = None
    path: str = ""
    calls: tuple[CallSite, ...] = ()
    names: dict[str, Binding] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    types: list[TensorType] = field(default_factory=list)
    size: int = 0
    float_type: DType = DType.F32
    prefix: list[str] = field(default_factory=list)
    labels: dict[str, Span] = field(default_factory=dict)
    automatic: set[str] = field(default_factory=set)
    layers: dict[str, LayerUse] = field(default_factory=dict)
    next_values: dict[str, Tensor] = field(default_factory=dict)
    next_places: dict[str, Span] = field(default_factory=dict)
    updates: dict[str, Tensor] = field(default_factory=dict)
    reuses_calls: bool = False
    """Whether a layer that is called on what it was called on before gives what it gave then."""
    result: list[Value] | None = None
    result_place: Span | None = None

    # -- errors -----------------------------------------------------------------------------------

    def fail(
        self,
        code: str,
        message: str,
        span: Span,
        text: str = "",
        *,
        also: Sequence[Label] = (),
        help: str | None = None,
    ) -> NoReturn:
        """Raise a `NetError` here. Inside a standard block the place shown is the user's call of it."""
        raise NetError(reports.diagnostic(self, code, message, span, text, also, help))

    @contextmanager
    def recover(self) -> Iterator[None]:
        """Collect what fails in here, and go on."""
        try:
            yield
        except NetError as failed:
            self.checker.report(failed.diagnostics)
        except PoisonedError:
            pass

    def copy(self) -> Scope:
        """A scope for evaluating on the side, with the same names."""
        return Scope(self.checker, self.module, self.block, self.path, self.calls, dict(self.names))

    # -- names ------------------------------------------------------------------------------------

    def bind(self, name: str, value: Value, span: Span, kind: str = "value") -> None:
        self.names[name] = Binding(value, span, kind)

    def bind_new(self, name: s.Ident, value: Value, kind: str = "value") -> None:
        """Bind a name that the body may not have yet (E0203)."""
        old = self.names.get(name.text)
        if old is not None and old.kind not in ("static", "size", "config"):
            also = [Label(old.span, "it got its first value here")]
            help = "a name has one value; choose another name"
            self.bind(name.text, POISON, name.span)
            self.fail("E0203", f"`{name}` already has a value", name.span, also=also, help=help)
        self.bind(name.text, value, name.span, kind)

    # -- labels -----------------------------------------------------------------------------------

    def place(self, label: s.Ident | None, auto: str, sole: bool = False) -> str:
        """The label path of a step: the label given, or an automatic one that is still free."""
        if sole and label is None and self.prefix:
            path = ".".join(self.prefix)
            self.claim(path, self.labels.get(path, (self.block or self.module.file).span))
            return path
        if label is not None:
            path = join(".".join(self.prefix), label.text)
            self.claim(path, label.span)
            return path
        path = join(".".join(self.prefix), auto)
        candidate, n = path, 1
        while candidate in self.labels:
            n += 1
            candidate = f"{path}_{n}"
        self.labels[candidate] = (self.block or self.module.file).span
        self.automatic.add(candidate)
        return candidate

    def claim(self, path: str, span: Span) -> None:
        """Take a label path. Raises E0204 where another step of the body has it."""
        old = self.labels.get(path)
        if old is not None and old != span and path not in self.automatic:
            also = [Label(old, "the first is here")]
            help = "labels name weights, so each is given once; to share weights use `layer`"
            self.fail("E0204", f"the label `{path}` is given twice", span, also=also, help=help)
        self.labels[path] = span
        self.automatic.discard(path)

    def rename_last(self, value: Value, name: s.Ident) -> None:
        """Let `scores = ...` name the step that made the value, where it had an automatic name."""
        if self.block is None or not isinstance(value, Tensor) or value.value != len(self.types) - 1:
            return
        if not self.steps:
            return
        step = self.steps[-1]
        path = join(".".join(self.prefix), name.text)
        if step.label not in self.automatic or path in self.labels or len(_outputs(step)) != 1:
            return
        if isinstance(step, CallStep) and step.application:
            return
        self.automatic.discard(step.label)
        del self.labels[step.label]
        self.labels[path] = name.span
        self.steps[-1] = _relabelled(step, path)

    # -- steps ------------------------------------------------------------------------------------

    def add_op(
        self,
        op: Op,
        inputs: Sequence[Tensor | None],
        span: Span,
        label: s.Ident | None = None,
        sole: bool = False,
        *,
        places: Mapping[str, Span] | None = None,
        shown: str | None = None,
    ) -> tuple[Tensor, ...]:
        """Apply an operator, and give its outputs.

        Args:
            places: Where each attribute was given.
            shown: What the operator is called in the text, where that is not its name.

        Raises:
            NetError: E0302 for sizes and ranks the operator refuses, E0303 for element types, E0404
                for attributes.
        """
        result = self._infer(op, inputs, span, places or {}, shown or op.name)
        types = result if isinstance(result, tuple) else (result,)
        for type_ in types:
            self._check_limits(type_, span)
        origin = reports.visible(self, span)
        types = tuple(
            TensorType(t.dtype, tuple(d if d.origin else d.at(origin) for d in t.shape)) for t in types
        )
        values = tuple(None if i is None else i.value for i in inputs)
        self.append(OpStep(op, values, types, self.place(label, op.name, sole), span), 1)
        first = len(self.types) - len(types)
        names = _names_through(inputs, types)
        return tuple(Tensor(first + n, t, names[n], span) for n, t in enumerate(types))

    def _infer(
        self, op: Op, inputs: Sequence[Tensor | None], span: Span, places: Mapping[str, Span], shown: str
    ) -> Types:
        try:
            return op.shape(*(None if i is None else i.type for i in inputs))
        except OpError as wrong:
            slots = slot_names(op, len(inputs))
            raise NetError(reports.op_failed(self, op, slots, inputs, span, wrong, places, shown)) from None
        except SizeOverflowError as wrong:
            message = f"{reports.title(self, shown)} makes too large a tensor: {wrong}"
            self.fail("E0603", message, span, help="give smaller sizes")
        except FreeSizeError as wrong:
            message = f"{reports.title(self, shown)} needs a fixed size, and gets `{wrong.dim}`"
            self.free_size(wrong.dim, message, span)

    def free_size(
        self, size: Dim, message: str, span: Span, text: str = "", help: str | None = None
    ) -> NoReturn:
        """Raise E0301: a size must be fixed, and symbols in it are free."""
        raise NetError(reports.free_size(self, size, message, span, text, help, None))

    def add_call(self, step: CallStep, moved: Mapping[Span | None, Span | None]) -> tuple[Tensor, ...]:
        """Append a call of a body, and give its outputs; `moved` maps origins of sizes to this call's."""
        self.append(step, step.body.size)
        outputs = step.body.outputs
        first = len(self.types) - len(outputs)
        types = [
            TensorType(o.type.dtype, tuple(d.at(moved.get(d.origin, d.origin)) for d in o.type.shape))
            for o in outputs
        ]
        return tuple(Tensor(first + n, t, (None,) * t.rank, step.span) for n, t in enumerate(types))

    def append(self, step: Step, size: int) -> None:
        self.size += size
        if self.size > MAX_NODES:
            self.too_large(self.size, step.span)
        self.steps.append(step)
        self.types += _outputs(step)

    def too_large(self, nodes: int, span: Span) -> NoReturn:
        help = "fewer repetitions; a network this large does not fit in one graph"
        self.fail(
            "E0605",
            f"the network expands to {nodes:,} or more nodes, and the limit is {MAX_NODES:,}",
            span,
            help=help,
        )

    def _check_limits(self, type_: TensorType, span: Span) -> None:
        if type_.rank > MAX_RANK:
            self.fail("E0606", f"a tensor has {type_.rank} axes here, and the limit is {MAX_RANK}", span)
        try:
            if type_.bytes.is_fixed:
                type_.bytes.value  # noqa: B018  (raises where it overflows)
        except SizeOverflowError as wrong:
            self.fail("E0603", f"the tensor {type_} is too large: {wrong}", span, help="give smaller sizes")

    @contextmanager
    def repeated(self, count: int, span: Span) -> Iterator[Callable[[], None]]:
        """Count an expansion before it happens: call what this gives after each pass.

        Raises E0605 where repetitions inside repetitions multiply to too many, or where the first two
        passes show that the rest would add too many.
        """
        checker = self.checker
        outer = checker.multiplier
        if outer * count > MAX_NODES:
            self.too_large(outer * count, span)
        checker.multiplier = max(1, outer * count)
        sizes = [self.size]

        def passed() -> None:
            sizes.append(self.size)
            if len(sizes) == 3:  # two passes say how much each of the rest adds, at the least
                each = min(sizes[1] - sizes[0], sizes[2] - sizes[1])
                if self.size + each * (count - 2) > MAX_NODES:
                    self.too_large(self.size + each * (count - 2), span)

        try:
            yield passed
        finally:
            checker.multiplier = outer

    # -- evaluation -------------------------------------------------------------------------------

    def evaluate(self, expr: s.Node) -> Value:
        """What an expression is worth. Raises `PoisonedError` where it uses something that failed."""
        value = EVALUATORS[type(expr)](self, expr)
        if value is POISON:
            raise PoisonedError
        return value

    def run(self, core: s.Node, piped: list[Tensor], stage: s.Stage, sole: bool) -> list[Tensor]:
        """What a stage makes of the piped tensors.

        `sole` says that it is the only stage of a loop's body, and so takes the loop's own label path.
        """
        return RUNNERS[type(core)](self, core, piped, stage, sole)


Evaluator = Callable[[Scope, Any], Value]
Runner = Callable[[Scope, Any, list[Tensor], s.Stage, bool], list[Tensor]]
EVALUATORS: dict[type, Evaluator] = {}
RUNNERS: dict[type, Runner] = {}


def evaluates(node: type) -> Callable[[Evaluator], Evaluator]:
    """Register the meaning of an expression node."""

    def register(function: Evaluator) -> Evaluator:
        EVALUATORS[node] = function
        return function

    return register


def runs(node: type) -> Callable[[Runner], Runner]:
    """Register the meaning of a stage."""

    def register(function: Runner) -> Runner:
        RUNNERS[node] = function
        return function

    return register


def slot_names(op: Op | type[Op], count: int) -> list[str]:
    """The names of `count` inputs of an operator; a variadic one is numbered."""
    names = [name.rstrip("?") for name in op.inputs]
    if names and names[-1].startswith("*"):
        stem = names.pop()[1:]
        names += [f"{stem}[{n}]" for n in range(count - len(names))]
    return names


def _outputs(step: Step) -> tuple[TensorType, ...]:
    return step.types if isinstance(step, OpStep) else tuple(o.type for o in step.body.outputs)


def _relabelled(step: Step, label: str) -> Step:
    if isinstance(step, OpStep):
        return OpStep(step.op, step.inputs, step.types, label, step.span)
    return CallStep(step.body, step.inputs, label, step.span, step.application)


def _names_through(
    inputs: Sequence[Tensor | None], types: Sequence[TensorType]
) -> list[tuple[str | None, ...]]:
    """Axis names carried through an operator, where sizes line up from the last axis as in broadcasting."""
    named = [i for i in inputs if i is not None and any(i.names)]
    results = []
    for type_ in types:
        names: list[str | None] = [None] * type_.rank
        for tensor in named:
            if tensor.type.rank > type_.rank:
                continue
            for back in range(1, tensor.type.rank + 1):
                if tensor.type.shape[-back] == type_.shape[-back] and names[-back] is None:
                    names[-back] = tensor.names[-back]
        unique = [n if n is None or names.count(n) == 1 else None for n in names]
        results.append(tuple(unique))
    return results
