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
from netdsl.checker.values import POISON, LayerUse, PoisonedError, Static, Tensor, Value
from netdsl.diagnostics import Diagnostic, Label, NetError
from netdsl.dims import Dim, FreeSizeError, SizeOverflowError
from netdsl.graph import join
from netdsl.model import MAX_NODES, Body, CallStep, OpStep, Step
from netdsl.modules import Module
from netdsl.ops.base import Op, OpError, Types
from netdsl.source import Span
from netdsl.types import DType, TensorType

MAX_CALL_DEPTH = 100
MAX_RANK = 64
MAX_ERRORS = 50


class TooManyErrors(Exception):
    """Stops the check; what was found so far is reported."""


@dataclass
class Checker:
    """What all bodies of one check share."""

    module: Module
    config: Mapping[Module, Mapping[str, Static]] = field(default_factory=dict)
    training: bool = False
    found: list[Diagnostic] = field(default_factory=list)
    bodies: dict[object, Body | None] = field(default_factory=dict)
    scanned: set[int] = field(default_factory=set)
    symbol_origins: dict[str, Span] = field(default_factory=dict)
    depth: int = 0
    multiplier: int = 1

    def report(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep findings, each place and code once."""
        known = {(d.code, d.span, d.message) for d in self.found}
        self.found += [d for d in diagnostics if (d.code, d.span, d.message) not in known]
        if sum(d.severity == "error" for d in self.found) >= MAX_ERRORS:
            raise TooManyErrors


@dataclass(frozen=True)
class Binding:
    """A name's value, and where it was given."""

    value: Value
    span: Span
    kind: str = "value"


@dataclass(frozen=True)
class CallSite:
    """A call on the way to the body being built."""

    block: str
    span: Span
    from_std: bool


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
    result: list[Value] | None = None

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
        labels = [Label(span, text), *also]
        user_call = next((c for c in reversed(self.calls) if not c.from_std), None)
        if self.module.is_std and user_call:
            labels = [Label(user_call.span, text), *(a for a in also if not _in_std(a.span))]
        raise NetError(Diagnostic(code, message, tuple(labels), help, self.path))

    @contextmanager
    def recover(self) -> Iterator[None]:
        """Collect what fails in here, and go on."""
        try:
            yield
        except NetError as failed:
            self.checker.report(failed.diagnostics)
        except PoisonedError:
            pass

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
        step = self.steps[-1]
        path = join(".".join(self.prefix), name.text)
        if step.label not in self.automatic or path in self.labels or len(_outputs(step)) != 1:
            return
        if isinstance(step, CallStep) and step.application:
            return
        self.automatic.discard(step.label)
        del self.labels[step.label]
        self.labels[path] = name.span
        self.automatic.add(path)
        self.steps[-1] = _relabelled(step, path)

    # -- steps ------------------------------------------------------------------------------------

    def add_op(
        self,
        op: Op,
        inputs: Sequence[Tensor | None],
        span: Span,
        label: s.Ident | None = None,
        sole: bool = False,
    ) -> tuple[Tensor, ...]:
        """Apply an operator, and give its outputs.

        Raises:
            NetError: E0301 for sizes and ranks the operator refuses, E0303 for element types.
        """
        result = self.infer(op, inputs, span)
        types = result if isinstance(result, tuple) else (result,)
        for type_ in types:
            self._check_limits(type_, span)
        types = tuple(
            TensorType(t.dtype, tuple(d if d.origin else d.at(span) for d in t.shape)) for t in types
        )
        values = tuple(None if i is None else i.value for i in inputs)
        self.append(OpStep(op, values, types, self.place(label, op.name, sole), span), 1)
        first = len(self.types) - len(types)
        names = _names_through(inputs, types)
        return tuple(Tensor(first + n, t, names[n], span) for n, t in enumerate(types))

    def infer(self, op: Op, inputs: Sequence[Tensor | None], span: Span) -> Types:
        try:
            return op.shape(*(None if i is None else i.type for i in inputs))
        except OpError as wrong:
            self._op_failed(op, inputs, span, wrong)
        except SizeOverflowError as wrong:
            self.fail("E0603", f"`{op.name}` makes {wrong}", span, help="give smaller sizes")
        except FreeSizeError as wrong:
            self.free_size(wrong.dim, f"`{op.name}` needs a fixed size, and gets `{wrong.dim}`", span)

    def free_size(self, size: Dim, message: str, span: Span, text: str = "") -> NoReturn:
        """Raise E0301: a size must be fixed, and symbols in it are free."""
        origins = [
            (n, self.checker.symbol_origins[n])
            for n in sorted(size.symbols)
            if n in self.checker.symbol_origins
        ]
        also = [Label(origin, f"{name} is left free here") for name, origin in origins]
        names = " and ".join(name for name, _ in origins)
        verb = "are" if len(origins) > 1 else "is"
        where = f", where {names} {verb} still free" if origins else ""
        given = f"give {names or 'it'} a size in the model's inputs"
        help = f"{given}, or reduce over it first (`global_avg_pool`, `mean`)"
        self.fail("E0301", message + where, span, text, also=also, help=help)

    def _op_failed(self, op: Op, inputs: Sequence[Tensor | None], span: Span, wrong: OpError) -> NoReturn:
        slots = slot_names(op, len(inputs))
        also: list[Label] = []
        for name, axis in wrong.at:
            tensor = inputs[slots.index(name)] if name in slots else None
            if tensor is None:
                continue
            if axis is not None and axis < tensor.type.rank and (origin := tensor.type.shape[axis].origin):
                also.append(Label(origin, f"{tensor.type.shape[axis]} is set here"))
            also.append(Label(tensor.span, f"`{name}` is {tensor.type}"))
        code = "E0303" if "element type" in wrong.message or "floating" in wrong.message else "E0302"
        code = "E0303" if "needs integers" in wrong.message or "needs numbers" in wrong.message else code
        code = "E0303" if "true or false" in wrong.message else code
        self.fail(code, f"`{op.name}` {wrong.message}", span, also=also, help=wrong.help)

    def add_call(self, step: CallStep) -> tuple[Tensor, ...]:
        """Append a call of a body, and give its outputs."""
        self.append(step, step.body.size)
        outputs = step.body.outputs
        first = len(self.types) - len(outputs)
        return tuple(
            Tensor(first + n, o.type, (None,) * o.type.rank, step.span) for n, o in enumerate(outputs)
        )

    def append(self, step: Step, size: int) -> None:
        self.size += size
        if self.size * self.checker.multiplier > MAX_NODES:
            self.too_large(self.size * self.checker.multiplier, step.span)
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
            self.fail("E0603", f"the tensor {type_} has {wrong}", span, help="give smaller sizes")

    @contextmanager
    def repeated(self, count: int, span: Span) -> Iterator[None]:
        """Count an expansion before it happens."""
        checker = self.checker
        outer = checker.multiplier
        if outer * count > MAX_NODES:
            self.too_large(outer * count, span)
        checker.multiplier = max(1, outer * count)
        try:
            yield
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


def _in_std(span: Span) -> bool:
    return span.source.name.startswith("std/")
