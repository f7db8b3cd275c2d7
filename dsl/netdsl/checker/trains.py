"""The `train` section: an ordinary model made of the file's models, with the loss and the metrics on top.

A name that is an output of a model calls that model on inputs of its own names. A model can also be called
by name, `Generator(z)`; all calls of it share its weights. Label paths are those of the model itself where
the file has one model; where it has several, they stand under the model's name: `Generator.out.weight`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netdsl import syntax as s
from netdsl.checker.blocks import root_names
from netdsl.checker.calls import apply_layer, construct_block
from netdsl.checker.scope import Binding, Checker, Scope
from netdsl.checker.settings import NUMBERS, RECIPES, SETTINGS, one_of, read_call, read_number
from netdsl.checker.shapes import declare, type_pattern
from netdsl.checker.statements import check_assertion
from netdsl.checker.values import BlockValue, LayerUse, LayerValue, Tensor, Value, describe
from netdsl.diagnostics import Label
from netdsl.dims import symbol
from netdsl.model import Body, Call, CallStep, MetricSpec, Model, Phase, Slot
from netdsl.modules import Module
from netdsl.source import Span
from netdsl.types import TensorType

PATTERNS = ("over", "freeze", "recompute")
OPS_PATH = "train"
"""The label path of the operators that a section adds to its models."""


def check_sections(checker: Checker, module: Module, models: Mapping[str, Model]) -> list[Phase]:
    """Check every `train` section against the models of the file; errors are collected line by line."""
    seen: dict[str, s.Train] = {}
    phases: list[Phase] = []
    for item in module.file.items:
        if not isinstance(item, s.Train):
            continue
        scope = Scope(checker, module)
        scope.names.update(root_names(scope))
        name = item.name.text if item.name else ""
        if name in seen:
            with scope.recover():
                also = [Label(_place(seen[name]), "the first is here")]
                help = "name the phases: `train generator { .. }`"
                message = "the file has a second `train` of this name"
                scope.fail("E0203", message, _place(item), also=also, help=help)
        seen.setdefault(name, item)
        if models:
            phase = _Section(scope, item, models).check()
            phases += [phase] if phase is not None else []
    return phases


def _place(item: s.Train) -> Span:
    """The name of a section, or its first word."""
    return item.name.span if item.name else Span(item.span.source, item.span.start, item.span.start + 5)


@dataclass
class _Section:
    """One section while it is being checked."""

    scope: Scope
    item: s.Train
    models: Mapping[str, Model]
    slots: list[Slot] = field(default_factory=list)
    outputs: list[Slot] = field(default_factory=list)
    metrics: list[MetricSpec] = field(default_factory=list)
    given: dict[str, s.Setting] = field(default_factory=dict)
    calls: dict[str, list[Call]] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    patterns: dict[str, list[str]] = field(default_factory=dict)

    def check(self) -> Phase | None:
        """The section as a phase; None where it has errors, which are reported."""
        scope, before = self.scope, self.scope.checker.errors
        scope.checker.symbol_origins = {}
        with scope.recover():
            self._bind_models()
            for line in self.item.lines:
                with scope.recover():
                    self._line(line)
            if "loss" not in self.given:
                help = "write `loss = cross_entropy(..)`"
                scope.fail("E0219", "this `train` has no loss", _place(self.item), help=help)
            if scope.checker.errors == before and not any(isinstance(x, CallStep) for x in scope.steps):
                self._uses_no_model()
        return self._phase() if scope.checker.errors == before else None

    def _uses_no_model(self) -> None:
        outputs = [name for model in self.models.values() for name in model.outputs]
        help = f"the loss compares an output, such as `{outputs[0]}`, with what it should be"
        self.scope.fail("E0220", "this `train` uses no model", _place(self.item), help=help)

    def _phase(self) -> Phase:
        scope, item = self.scope, self.item
        name = item.name.text if item.name else ""
        body = Body(
            name or OPS_PATH,
            "train",
            tuple(self.slots),
            tuple(self.outputs),
            tuple(scope.steps),
            scope.size,
            item.span,
        )
        model = Model(body.name, body, dict(scope.checker.symbol_origins))
        return Phase(
            name,
            model,
            item.span,
            tuple(self.metrics),
            optimizer=next(iter(self.calls.get("optimizer", ())), None),
            groups=tuple(self.calls.get("group", ())),
            schedule=next(iter(self.calls.get("schedule", ())), None),
            clips=tuple(self.calls.get("clip", ())),
            regularisers=tuple(self.calls.get("regularise", ())),
            numbers=self.numbers,
            over=tuple(self.patterns.get("over", ())),
            freeze=tuple(self.patterns.get("freeze", ())),
            recompute=tuple(self.patterns.get("recompute", ())),
        )

    # -- models and inputs ------------------------------------------------------------------------

    def _bind_models(self) -> None:
        """Bind the models by name, the inputs, and the outputs of the models that are used by those."""
        scope = self.scope
        local = self._local_names()
        used = {name.text: name.span for name in s.names_in(self.item.lines) if name.text not in local}
        called = self._called(used)
        for name, span in used.items():
            self._outer_input(name, span, called)
        for model in called:
            for slot in model.body.inputs:
                self._declare(slot.name, slot.type, slot.span, model)
        self._own_inputs()
        for name, model in self.models.items():
            self._bind_model(name, model)
        for model in called:
            layer = scope.names[model.name].value
            at = s.Name(next(used[n] for n in model.outputs if n in used), model.name)
            piped = [scope.names[slot.name].value for slot in model.body.inputs]
            for slot, value in zip(model.body.outputs, apply_layer(scope, layer, piped, (), at), strict=True):
                scope.bind(slot.name, value, slot.span, "input")

    def _local_names(self) -> set[str]:
        lines = self.item.lines
        return {line.name.text for line in lines if isinstance(line, (s.TrainInput, s.Let))}

    def _called(self, used: Mapping[str, Span]) -> list[Model]:
        """The models with an output that is used by name. Raises E0221 where a name could be of two."""
        for name, span in used.items():
            of = [m for m in self.models.values() if name in m.outputs or name in m.inputs]
            if len(of) > 1 and any(name in m.outputs for m in of):
                what = " and ".join(
                    f"{'an output' if name in m.outputs else 'an input'} of `{m.name}`" for m in of
                )
                help = f"give the one that is meant a name: `result = {of[0].name}(..)`"
                self.scope.fail("E0221", f"`{name}` is {what}", span, help=help)
        return [model for model in self.models.values() if any(name in used for name in model.outputs)]

    def _outer_input(self, name: str, span: Span, called: list[Model]) -> None:
        """An input of a model, used by its name, is an input of the section."""
        for model in self.models.values():
            if name in model.inputs and model not in called:
                slot = next(slot for slot in model.body.inputs if slot.name == name)
                self._declare(name, slot.type, slot.span, model)

    def _declare(self, name: str, type_: TensorType, span: Span, model: Model | None) -> None:
        """An input of the phase. One that two models share by name has one type (E0221)."""
        scope = self.scope
        old = next((slot for slot in self.slots if slot.name == name), None)
        if old is not None:
            if old.type != type_:
                also = [Label(old.span, f"here it is {old.type}")]
                message = f"two models have an input `{name}`, and here it is {type_}"
                scope.fail("E0221", message, span, also=also, help="call the models by name: `y = Model(x)`")
            return
        scope.types.append(type_)
        tensor = Tensor(len(scope.types) - 1, type_, (None,) * type_.rank, span)
        scope.bind(name, tensor, span, "input")
        self.slots.append(Slot(name, type_, tensor.value, span))
        for word in {word for size in type_.shape for word in size.symbols} if model else ():
            scope.checker.symbol_origins.setdefault(word, model.symbols[word] if model else span)
            if word.isidentifier():
                scope.names.setdefault(word, Binding(symbol(word), span, "size"))

    def _own_inputs(self) -> None:
        """The section's own inputs, after what their types need of its `let`s."""
        scope = self.scope
        inputs = [line for line in self.item.lines if isinstance(line, s.TrainInput)]
        needed = {name.text for line in inputs for name in s.names_in(line.type)}
        for line in self.item.lines:
            with scope.recover():
                if isinstance(line, s.Let) and line.name.text in needed:
                    scope.bind_new(line.name, scope.evaluate(line.value), "static")
                elif isinstance(line, s.TrainInput):
                    if any(slot.name == line.name.text for slot in self.slots):
                        message = f"`{line.name}` is an input of the model already"
                        scope.fail(
                            "E0203", message, line.name.span, help="remove the line, or choose another name"
                        )
                    type_ = declare(scope, line.name.text, type_pattern(scope, line.type))
                    self._declare(line.name.text, type_, line.name.span, None)

    def _bind_model(self, name: str, model: Model) -> None:
        scope = self.scope
        if name in scope.names:
            return
        label = "" if len(self.models) == 1 else name
        block = scope.module.blocks[name]
        made = construct_block(scope, BlockValue(block, scope.module), (), block.name.span)
        scope.layers[name] = LayerUse()
        scope.bind(name, LayerValue(name, made, block.name.span, label), block.name.span, "layer")

    # -- lines ------------------------------------------------------------------------------------

    def _line(self, line: s.Node) -> None:
        scope = self.scope
        if isinstance(line, s.Metric):
            self._metric(line)
        elif isinstance(line, s.Let):
            if line.name.text not in scope.names or scope.names[line.name.text].span != line.name.span:
                scope.bind_new(line.name, scope.evaluate(line.value), "static")
        elif isinstance(line, s.Assert):
            check_assertion(scope, line)
        elif isinstance(line, s.Patterns):
            one_of(scope, line.word, PATTERNS, "pattern line")
            self.patterns.setdefault(line.word.text, []).extend(p.value for p in line.patterns)
        elif isinstance(line, s.Setting):
            self._setting(line)

    def _setting(self, line: s.Setting) -> None:
        scope, word = self.scope, line.name.text
        one_of(scope, line.name, SETTINGS, "training setting")
        if word in self.given:
            also = [Label(self.given[word].name.span, "the first is here")]
            scope.fail("E0203", f"`{word}` is set twice", line.name.span, also=also, help="keep one")
        self.given[word] = line
        if word in RECIPES:
            self.calls.setdefault(word, []).append(read_call(scope, line.name, line.value, RECIPES[word]))
        elif word in NUMBERS:
            self.numbers[word] = read_number(scope, line.name, line.value)
        else:
            value = self._scalar("loss", self._evaluate("loss", line.value), line.value.span)
            self.outputs.insert(0, Slot("loss", value.type, value.value, line.name.span))

    def _metric(self, line: s.Metric) -> None:
        name = line.name.text
        if name == "loss" or any(metric.name == name for metric in self.metrics):
            help = "give one another name"
            self.scope.fail("E0203", f"`{name}` is measured twice", line.name.span, help=help)
        value = self._scalar("metric", self._evaluate(name, line.value), line.value.span)
        self.metrics.append(MetricSpec(name, "mean", {}, name, line.span))
        self.outputs.append(Slot(name, value.type, value.value, line.name.span))

    def _evaluate(self, label: str, expr: s.Expr) -> Value:
        """The value of an expression whose operators stand under a label path of the section."""
        scope = self.scope
        scope.prefix = [OPS_PATH, label]
        try:
            return scope.evaluate(expr)
        finally:
            scope.prefix = []

    def _scalar(self, what: str, value: Value, span: Span) -> Tensor:
        """The value where it is one number that is computed. Raises E0222."""
        if isinstance(value, Tensor) and value.type.rank == 0 and value.type.dtype.is_float:
            return value
        shown = value.type if isinstance(value, Tensor) else describe(value)
        help = "take the mean of it: `mean(..)`" if isinstance(value, Tensor) else None
        self.scope.fail("E0222", f"a {what} is one float tensor, and this is {shown}", span, help=help)
