"""The state of checking one body: a `Scope` for each body that is being built.

Expressions and stages are evaluated through tables by node type (`@evaluates`, `@runs`), so each kind
of node has its meaning in one place and no module needs to import those that come after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeVar

from netdsl import syntax as s
from netdsl.checker.context import reports
from netdsl.checker.context.causes import Cause
from netdsl.checker.context.doubts import Doubt, leaf_names, numbers_of
from netdsl.checker.context.labels import LabelPaths
from netdsl.checker.context.limits import NodeCount, check_limits
from netdsl.checker.context.possible import could_take
from netdsl.checker.context.reports import Site
from netdsl.checker.context.values import (
    POISON,
    Binding,
    Evaluated,
    LayerUse,
    LayerValue,
    Poison,
    PoisonedError,
    Tensor,
)
from netdsl.diagnostics import Diagnostic, Label, NetError
from netdsl.dims import Dim, FreeSizeError, SizeOverflowError
from netdsl.model import OUTSIDE, Assumption, Body, BodyStep, CallStep, OpStep
from netdsl.ops.contract.assuming import AT_LEAST, Condition, assume, assuming
from netdsl.ops.contract.base import Op, OpError, Types
from netdsl.ops.contract.rules import check_floats
from netdsl.ops.create.create import Range
from netdsl.ops.index.gather import Gather
from netdsl.source import Span
from netdsl.types import DType, TensorType
from netdsl.work import spend

EXPRESSION_STEPS, STAGE_STEPS, STEP_STEPS, OUTPUT_STEPS, OPERATOR_STEPS = 3, 4, 15, 3, 30
"""The work of an expression, of a stage, of an operator or a call in a body, of each of its outputs, and
of the types and attributes of an operator."""

AxisNames = tuple[str | None, ...]


@dataclass
class Attempt:
    """What became of an evaluation whose errors are collected."""

    failed: bool = False


@dataclass
class Scope(Site):
    """One body while it is being built."""

    steps: list[BodyStep] = field(default_factory=list)
    types: list[TensorType] = field(default_factory=list)
    float_type: DType = DType.F32
    layers: dict[str, LayerUse] = field(default_factory=dict)
    """The uses of layers, by their paths."""
    next_values: dict[str, Tensor] = field(default_factory=dict)
    next_places: dict[str, Span] = field(default_factory=dict)
    updates: dict[str, Tensor] = field(default_factory=dict)
    scan_updates: dict[str, int] = field(default_factory=dict)
    """The values of buffers after a scan whose cell changes them, by the label of the buffer."""
    reuses_calls: bool = False
    """Whether a layer called again on the same tensors returns its earlier results."""
    assumptions: list[Assumption] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    """The assertions that fail, here or in the bodies around this one."""
    result: list[Evaluated] | None = None
    result_place: Span | None = None
    labels: LabelPaths = field(init=False)
    nodes: NodeCount = field(init=False)

    def __post_init__(self) -> None:
        self.labels = LabelPaths(self)
        self.nodes = NodeCount(self)

    # -- errors -----------------------------------------------------------------------------------

    @contextmanager
    def recover(self, text: s.Node | None = None) -> Iterator[Attempt]:
        """Collect errors raised inside, and continue.

        Where there are any, what can be said about all of `text` without its values is reported too.
        """
        attempt = Attempt()
        try:
            yield attempt
        except (NetError, PoisonedError) as failed:
            attempt.failed = True
            if isinstance(failed, NetError):
                self.report(failed.diagnostics)
            if text is not None:
                self.read(text)

    def report(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Keep findings, but not what follows from an assertion that fails."""
        kept = [one for one in diagnostics if not self.doubts or not self.is_doubtful(numbers_of(one.cause))]
        self.checker.dropped += len(diagnostics) - len(kept)
        self.checker.report(kept)

    def is_doubtful(self, numbers: frozenset[float]) -> bool:
        """Whether all of these numbers are among those of one assertion that fails."""
        return bool(numbers) and any(numbers <= doubt.numbers for doubt in self.doubts)

    def is_derived(self, expr: s.Node) -> bool:
        """Whether an expression combines all names of an assertion that fails."""
        names = leaf_names(self, expr)
        return any(doubt.names and doubt.names <= names for doubt in self.doubts)

    def read(self, text: s.Node) -> None:
        """Report what is wrong with a text whatever its values are."""
        for reader in READERS:
            reader(self, text)

    def use_of(self, layer: LayerValue) -> LayerUse:
        """The uses of a layer in this body so far."""
        return self.layers.setdefault(layer.path, LayerUse())

    @property
    def borrowed(self) -> dict[str, Body]:
        """The bodies of the layers from outside that are used here or below, by their paths."""
        uses = ((path, use.body) for path, use in self.layers.items() if path.startswith(OUTSIDE))
        return {path: body for path, body in uses if body is not None}

    def copy(self) -> Scope:
        """A scope for evaluating on the side, with the same names."""
        return Scope(
            self.checker,
            self.module,
            self.block,
            self.path,
            self.calls,
            dict(self.names),
            self.is_open,
            self.offered,
            doubts=list(self.doubts),
        )

    # -- names ------------------------------------------------------------------------------------

    def tensor(self, name: str) -> Tensor:
        """The tensor that a name holds. Raises `PoisonedError` where the statement that binds it failed."""
        binding = self.names.get(name)
        if binding is None or not isinstance(binding.value, Tensor):
            raise PoisonedError
        return binding.value

    def bind(self, name: str, value: Evaluated | Poison, span: Span, kind: str = "value") -> None:
        self.names[name] = Binding(value, span, kind)

    def bind_new(
        self, name: s.Ident, value: Evaluated, kind: str = "value", *, cause: Cause | None = None
    ) -> None:
        """Bind a name that the body may not have yet (E0203); `cause` has the ways out."""
        old = self.names.get(name.text)
        if old is not None and old.kind not in ("static", "size", "config"):
            also = [Label(old.span, "it is first defined here")]
            help = "a name has one value; choose another name"
            self.bind(name.text, POISON, name.span)
            self.fail("E0203", f"`{name}` already has a value", name.span, also=also, help=help, cause=cause)
        self.bind(name.text, value, name.span, kind)

    # -- steps ------------------------------------------------------------------------------------

    def add_value(self, type_: TensorType, span: Span, names: AxisNames | None = None) -> Tensor:
        """A new value of the body that no step computes: an input."""
        self.types.append(type_)
        return Tensor(len(self.types) - 1, type_, names or (None,) * type_.rank, span)

    def add_source(self, step: OpStep, names: AxisNames | None = None) -> Tensor:
        """Append a step without inputs and with one output: a parameter or a state; returns its output."""
        self.append(step, 1)
        type_ = step.types[0]
        return Tensor(len(self.types) - 1, type_, names or (None,) * type_.rank, step.span)

    def rename_last(self, value: Evaluated, name: s.Ident) -> None:
        """Let `scores = ...` name the step that computed the value, if its name is automatic."""
        if self.block is None or not isinstance(value, Tensor) or value.value != len(self.types) - 1:
            return
        if not self.steps:
            return
        step = self.steps[-1]
        if len(_outputs(step)) != 1 or (isinstance(step, CallStep) and step.application):
            return
        path = self.labels.rename(step.label, name)
        if path is not None:
            self.steps[-1] = replace(step, label=path)

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
        """Apply an operator; returns its outputs.

        Args:
            places: The place of each attribute.
            shown: The name of the operator in the text, if that differs.

        Raises:
            NetError: E0302 for sizes and ranks the operator refuses, E0303 for element types, E0404
                for attributes.
        """
        spend(OPERATOR_STEPS)
        result = self._infer(op, inputs, span, places or {}, shown or op.name)
        types = result if isinstance(result, tuple) else (result,)
        for type_ in types:
            check_limits(self, type_, span)
        origin = reports.visible(self, span)
        types = tuple(_with_origins(t, inputs, origin) for t in types)
        values = tuple(None if i is None else i.value for i in inputs)
        self.append(OpStep(op, values, types, self.labels.place(label, op.name, sole), span), 1)
        first = len(self.types) - len(types)
        names = _names_through(inputs, types)
        return tuple(Tensor(first + n, t, names[n], span) for n, t in enumerate(types))

    def _infer(
        self, op: Op, inputs: Sequence[Tensor | None], span: Span, places: Mapping[str, Span], shown: str
    ) -> Types:
        try:
            with assuming() as conditions:
                given = [None if i is None else i.type for i in inputs]
                check_floats(op, given)
                types = op.shape(*given)
                self._assume_positions(op, inputs)
            self.take_for_granted(conditions, span)
            return types
        except OpError as wrong:
            if self.checker.is_definition and could_take(op, [None if i is None else i.type for i in inputs]):
                raise PoisonedError from None
            refused = reports.op_failed(self, op, inputs, wrong, span=span, places=places, shown=shown)
            raise NetError(refused) from None
        except SizeOverflowError as wrong:
            message = f"{reports.title(self, shown)} would return a tensor that is too large: {wrong}"
            self.fail("E0603", message, span, help="use smaller sizes")
        except FreeSizeError as wrong:
            message = f"{reports.title(self, shown)} needs a fixed size, but got `{wrong.dim}`"
            self.free_size(wrong.dim, message, span)
        except (ArithmeticError, ValueError, IndexError, MemoryError) as wrong:
            message = (
                f"{reports.title(self, shown)} cannot take these arguments: {wrong or type(wrong).__name__}"
            )
            self.fail("E0404", message, span)

    def _assume_positions(self, op: Op, inputs: Sequence[Tensor | None]) -> None:
        """A table that is read at `range(T)` has T rows or more."""
        table, indices = inputs if isinstance(op, Gather) else (None, None)
        if not isinstance(op, Gather) or table is None or indices is None:
            return
        counted = self._made_by(indices)
        if isinstance(counted, Range) and counted.step > 0:
            assume(AT_LEAST, table.type.shape[op.axis], counted.stop)

    def _made_by(self, tensor: Tensor) -> Op | None:
        """The operator that computed a tensor, if it was one of the body."""
        end = len(self.types)
        for step in reversed(self.steps):
            end -= len(_outputs(step))
            if end <= tensor.value:
                return step.op if isinstance(step, OpStep) else None
        return None

    def take_for_granted(self, conditions: Iterable[Condition], span: Span) -> None:
        """Keep conditions on free sizes, with the place in the user's text that needs them."""
        self.assumptions += [Assumption(one, reports.visible(self, span)) for one in conditions]

    def free_size(
        self, size: Dim, message: str, span: Span, text: str = "", help: str | None = None
    ) -> NoReturn:
        """Raise E0301: a size must be fixed, and symbols in it are free."""
        raise NetError(reports.free_size(self, size, message, span, text=text, help=help))

    def add_call(self, step: CallStep, moved: Mapping[Span | None, Span | None]) -> tuple[Tensor, ...]:
        """Append a call of a body; returns its outputs; `moved` maps origins of sizes to this call's."""
        self.append(step, step.body.size + 1)
        outputs = step.body.outputs
        first = len(self.types) - len(outputs)
        types = [
            TensorType(o.type.dtype, tuple(d.at(moved.get(d.origin, d.origin)) for d in o.type.shape))
            for o in outputs
        ]
        return tuple(Tensor(first + n, t, (None,) * t.rank, step.span) for n, t in enumerate(types))

    def append(self, step: BodyStep, size: int) -> None:
        """Append a step that expands to `size` nodes. Raises E0605 if the body has too many."""
        outputs = _outputs(step)
        spend(STEP_STEPS + len(step.label) / 20 + sum(OUTPUT_STEPS + type_.weight for type_ in outputs))
        self.nodes.add(size, step.span)
        self.steps.append(step)
        self.types += outputs

    # -- evaluation -------------------------------------------------------------------------------

    def evaluate(self, expr: s.Node) -> Evaluated:
        """The value of an expression. Raises `PoisonedError` if it uses something that failed."""
        spend(EXPRESSION_STEPS)
        try:
            value = EVALUATORS[type(expr)](self, expr)
        except (SizeOverflowError, FreeSizeError, OpError, ArithmeticError) as wrong:
            self._cannot_compute(expr.span, wrong)
        if value is POISON:
            raise PoisonedError
        return value

    def _cannot_compute(self, span: Span, wrong: Exception) -> NoReturn:
        """Report what the meaning of an expression did not foresee: a size or a number out of range."""
        if isinstance(wrong, FreeSizeError):
            self.free_size(wrong.dim, f"a fixed size is needed here, but got `{wrong.dim}`", span)
        if isinstance(wrong, OpError):
            self.fail(wrong.code, f"`{span.text}` {wrong.message}", span, help=wrong.help)
        self.fail("E0603", f"`{span.text}` is out of range: {wrong}", span, help="use smaller sizes")

    def run(self, core: s.Node, piped: list[Tensor], stage: s.Stage, sole: bool) -> list[Tensor]:
        """The result of a stage for the piped tensors.

        `sole` says that it is the only stage of a loop's body, and so takes the loop's own label path.
        """
        spend(STAGE_STEPS + len(piped))
        return RUNNERS[type(core)](self, core, piped, stage, sole)


EVALUATORS: dict[type[s.Node], Callable[..., Evaluated | Poison]] = {}
RUNNERS: dict[type[s.Node], Callable[..., list[Tensor]]] = {}
READERS: list[Callable[[Scope, s.Node], None]] = []
"""What reads a text whose evaluation has failed, for errors that do not depend on values."""
N = TypeVar("N", bound=s.Node)
Evaluator = Callable[[Scope, N], Evaluated | Poison]
Runner = Callable[[Scope, N, list[Tensor], s.Stage, bool], list[Tensor]]


def evaluates(node: type[N]) -> Callable[[Evaluator[N]], Evaluator[N]]:
    """Register the meaning of an expression node."""

    def register(function: Evaluator[N]) -> Evaluator[N]:
        EVALUATORS[node] = function
        return function

    return register


def runs(node: type[N]) -> Callable[[Runner[N]], Runner[N]]:
    """Register the meaning of a stage."""

    def register(function: Runner[N]) -> Runner[N]:
        RUNNERS[node] = function
        return function

    return register


def _with_origins(type_: TensorType, inputs: Sequence[Tensor | None], origin: Span) -> TensorType:
    """A result with the place that set each size: this operator, or what set it in an input that kept it."""
    same_rank = [i.type.shape for i in inputs if i is not None and i.type.rank == type_.rank]
    shape = []
    for axis, size in enumerate(type_.shape):
        kept = next((s[axis].origin for s in same_rank[:1] if s[axis] == size and s[axis].origin), None)
        shape.append(size if size.origin else size.at(kept or origin))
    return TensorType(type_.dtype, tuple(shape))


def reads_failures(function: Callable[[Scope, s.Node], None]) -> Callable[[Scope, s.Node], None]:
    """Register a reader of texts whose evaluation has failed."""
    READERS.append(function)
    return function


def _outputs(step: BodyStep) -> tuple[TensorType, ...]:
    return step.types if isinstance(step, OpStep) else tuple(o.type for o in step.body.outputs)


def _names_through(inputs: Sequence[Tensor | None], types: Sequence[TensorType]) -> list[AxisNames]:
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
