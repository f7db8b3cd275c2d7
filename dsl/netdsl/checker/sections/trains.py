"""The `train` section: a model composed of the file's models, with the loss and the metrics on top."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeVar

from netdsl import syntax as s
from netdsl.checker.calls.blocks import root_names, updates_of
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.checker import Checker
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Evaluated, PoisonedError, Tensor, Unfinished, describe
from netdsl.checker.evaluate.assertions import check_assertion
from netdsl.checker.evaluate.statements import run_statement
from netdsl.checker.sections.arrived import setting_change, translated
from netdsl.checker.sections.measures import check_class_scores, is_scalar, measure
from netdsl.checker.sections.overlaps import overlaps
from netdsl.checker.sections.patterns import check_patterns
from netdsl.checker.sections.probabilities import probabilities
from netdsl.checker.sections.settings import (
    PATTERNS,
    SETTINGS,
    SEVERAL,
    one_of,
    read_call,
    read_number,
)
from netdsl.checker.sections.train_models import bind_models, names_bound_by, without_types
from netdsl.diagnostics import Label, suggest
from netdsl.model import TRAIN_PATH, Body, Call, CallStep, MetricSpec, Model, Phase, Slot
from netdsl.modules import Module
from netdsl.recipes import NUMBERS, RECIPES
from netdsl.recipes.metrics import MEAN
from netdsl.source import Span
from netdsl.synonyms import OPTIMIZER_WORDS
from netdsl.targets import class_uses

T = TypeVar("T")
OPTIMIZER_ARGUMENTS = ("lr", "momentum", "weight_decay", "beta1", "beta2", "eps")


def check_sections(
    checker: Checker,
    module: Module,
    models: tuple[Mapping[str, Model], Sequence[Unfinished]],
    sections: Sequence[s.Train],
) -> list[Phase]:
    """Check `train` sections against the models of the file, those with errors included.

    Errors are collected line by line.
    """
    sound, unfinished = models
    unread = any(isinstance(x, s.BrokenItem) and x.kind == "model" for x in module.file.items)
    seen: dict[str, s.Train] = {}
    phases: list[Phase] = []
    for item in sections:
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
        if sound or unfinished or unread:
            scope.is_open = unread
            phase = _Section(scope, item, sound, unfinished).check()
            phases += [phase] if phase is not None else []
    if len(phases) == len(sections):
        checker.report(overlaps(phases))
    for phase in phases:
        checker.report(probabilities(phase))
    return phases


def _added_losses(item: s.Train, tensors: Sequence[str]) -> list[tuple[str, list[tuple[Span, str]]]]:
    """A loss of the output and the label, as the last line of a section."""
    if not tensors or not item.lines:
        return []
    end = item.lines[-1].span.end
    lines = [f"loss = {name}({', '.join(tensors)})" for name in ("cross_entropy", "mse")]
    return [(f"write `{line}`", [(Span(item.span.source, end, end), f"\n  {line}")]) for line in lines]


def _place(item: s.Train) -> Span:
    """The name of a section, or its first word."""
    return item.name.span if item.name else Span(item.span.source, item.span.start, item.span.start + 5)


@dataclass
class _Section:
    """One section while it is being checked."""

    scope: Scope
    item: s.Train
    models: Mapping[str, Model]
    unfinished: Sequence[Unfinished] = ()
    inputs: list[Slot] = field(default_factory=list)
    outputs: list[Slot] = field(default_factory=list)
    metrics: list[MetricSpec] = field(default_factory=list)
    given: dict[str, s.Ident] = field(default_factory=dict)
    calls: dict[str, list[Call]] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    patterns: dict[str, list[s.Text]] = field(default_factory=dict)
    _ignored: frozenset[int | None] = frozenset()

    def check(self) -> Phase | None:
        """The section as a phase; None if it has errors, which are reported, or no loss that can be read."""
        scope, before = self.scope, self.scope.checker.errors
        scope.checker.symbol_origins = {}
        with scope.recover():
            scope.offered = self._names()
            self.item = translated(scope, self.item, self._compared())
            self.inputs = bind_models(scope, self.item.lines, self.models, self.unfinished)
            lines = without_types(self.item.lines)
            for line in sorted(lines, key=lambda line: isinstance(line, s.Metric)):
                self._line(line)
            if "loss" not in self.given and not self._may_have_a_loss():
                compared = self._compared()
                help = f"write `loss = cross_entropy({', '.join(compared) or '..'})`"
                cause = Edited(_added_losses(self.item, compared))
                scope.fail("E0219", "this `train` has no loss", _place(self.item), help=help, cause=cause)
            uses_model = any(isinstance(x, (CallStep, s.Broken)) for x in (*scope.steps, *self.item.lines))
            if self._is_complete(before) and not uses_model:
                self._uses_no_model()
        if not self._is_complete(before) or "loss" not in self.given:
            return None
        phase = self._phase()
        return phase if scope.checker.errors == before else None

    def _is_complete(self, before: int) -> bool:
        """Whether neither the section nor a model of the file has errors."""
        return self.scope.checker.errors == before and not self.unfinished and not self.scope.is_open

    def _names(self) -> tuple[str, ...]:
        """What a section computes with: outputs and inputs of the models, its own inputs and values."""
        models: list[Model | Unfinished] = [*self.models.values(), *self.unfinished]
        theirs = [name for model in models for name in (*model.outputs, *model.inputs)]
        own = [name.text for line in self.item.lines for name in names_bound_by(line)]
        return tuple(dict.fromkeys([*theirs, *(name for name in own if name not in SETTINGS)]))

    def _compared(self) -> list[str]:
        """The output of the model and the section's own input, where each is the only one."""
        models: list[Model | Unfinished] = [*self.models.values(), *self.unfinished]
        outputs = [name for model in models for name in model.outputs]
        own = [line.name.text for line in self.item.lines if isinstance(line, s.TrainInput)]
        return [outputs[0], own[0]] if len(outputs) == len(own) == 1 else []

    def _may_have_a_loss(self) -> bool:
        """Whether a line that cannot be read may be the loss."""
        unread = [line for line in self.item.lines if isinstance(line, s.Broken)]
        return any(not line.names or "loss" in line.span.text for line in unread)

    def _uses_no_model(self) -> None:
        outputs = [name for model in self.models.values() for name in model.outputs]
        help = f"a loss compares an output of a model, such as `{outputs[0]}`, with what it should be"
        self.scope.fail("E0220", "this `train` uses no model", _place(self.item), help=help)

    def _phase(self) -> Phase:
        scope, item = self.scope, self.item
        name = item.name.text if item.name else ""
        slots = tuple(self.inputs), tuple(self.outputs)
        size, updates = scope.nodes.size, updates_of(scope)
        body = Body(
            name or TRAIN_PATH,
            "train",
            *slots,
            tuple(scope.steps),
            size,
            item.span,
            updates=updates,
            assumptions=tuple(scope.assumptions),
        )
        check_patterns(scope, body, self.patterns)
        over, freeze, recompute = (tuple(p.value for p in self.patterns.get(w, ())) for w in PATTERNS)
        return Phase(
            name,
            Model(body.name, body, dict(scope.checker.symbol_origins)),
            item.span,
            tuple(self.metrics),
            optimizer=next(iter(self.calls.get("optimizer", ())), None),
            groups=tuple(self.calls.get("group", ())),
            schedule=next(iter(self.calls.get("schedule", ())), None),
            clips=tuple(self.calls.get("clip", ())),
            regularisers=tuple(self.calls.get("regularise", ())),
            numbers=self.numbers,
            over=over,
            freeze=freeze,
            recompute=recompute,
        )

    # -- lines ------------------------------------------------------------------------------------

    def _line(self, line: s.TrainLine) -> None:
        scope = self.scope
        with scope.recover():
            if isinstance(line, s.Metric):
                self._metric(line)
            elif isinstance(line, s.Setting) and (line.name.text in SETTINGS or not self._is_value(line)):
                self._setting(line)
            elif isinstance(line, (s.Setting, s.Bind)):
                self._value(line)
            elif isinstance(line, s.Let):
                run_statement(scope, line)
            elif isinstance(line, s.Assert):
                check_assertion(scope, line)
            elif isinstance(line, s.Patterns):
                self._pattern_line(line)
            elif isinstance(line, s.Broken):
                run_statement(scope, line)

    def _is_value(self, line: s.Setting) -> bool:
        """Whether a name that is not a setting is used by another line, and so is a value."""
        others = tuple(other for other in self.item.lines if other is not line)
        return any(name.text == line.name.text for name in s.names_in(others))

    def _value(self, line: s.Setting | s.Bind) -> None:
        names = tuple(names_bound_by(line))
        with self._under(names[0].text):
            run_statement(self.scope, s.Bind(line.span, names, line.value))

    def _setting(self, line: s.Setting) -> None:
        scope, word = self.scope, line.name.text
        is_theirs = setting_change(line) is not None
        if word not in SETTINGS and (is_theirs or not suggest(word, SETTINGS)):
            self._not_a_setting(line)
        line = self._nearest(line)
        word = line.name.text
        if word in self.given and word not in SEVERAL:
            also = [Label(self.given[word].span, "the first is here")]
            scope.fail("E0203", f"`{word}` is set twice", line.name.span, also=also, help="keep one")
        self.given[word] = line.name
        if word == "group":
            help = 'write `group "*.bias" = adjust(weight_decay=0)`'
            scope.fail("E0225", "a `group` needs patterns", line.name.span, help=help)
        if word in RECIPES:
            self.calls.setdefault(word, []).append(read_call(scope, line.name, line.value))
        elif word in NUMBERS:
            self.numbers[word] = read_number(scope, line.name, line.value)
        else:
            self._loss(line)

    def _not_a_setting(self, line: s.Setting) -> NoReturn:
        """Raise E0219 for a line that no other uses, with what to do about it."""
        word = line.name.text
        help, cause = f"the settings are {', '.join(SETTINGS)}", None
        message = f"`{word}` is neither a training setting nor used by another line"
        theirs = setting_change(line)
        if OPTIMIZER_WORDS.get(word, word) in OPTIMIZER_ARGUMENTS:
            help, changes = self._argument_of_optimizer(line)
            cause = Edited([(help, changes)]) if changes else None
        elif theirs is not None:
            help, cause = theirs[0], Edited([theirs])
        elif word in PATTERNS:
            help, text = _as_patterns(line)
            cause = Edited([(help, [(line.span, text)])])
            message = f"`{word}` takes patterns, without `=`"
        self.scope.fail("E0219", message, line.name.span, help=help, cause=cause)

    def _argument_of_optimizer(self, line: s.Setting) -> tuple[str, list[tuple[Span, str]]]:
        """The help for a line that is an argument of the optimizer, and the change."""
        text = f"{OPTIMIZER_WORDS.get(line.name.text, line.name.text)}={line.value.span.text}"
        call = self._optimizer(text)
        changes = self._into_optimizer(line, call)
        name = call.partition("(")[0]
        known = RECIPES["optimizer"].get(name)
        if known is not None and text.partition("=")[0] not in known.arguments():
            return f"`{name}` has no such argument: remove it, or write `optimizer = sgd({text})`", changes[
                :1
            ]
        return f"it is an argument of the optimizer: `optimizer = {call}`", changes

    def _nearest(self, line: s.Setting) -> s.Setting:
        """The line as that of the nearest setting, where its own name is none, which is reported."""
        near = suggest(line.name.text, SETTINGS)
        if line.name.text in SETTINGS or near is None:
            return line
        with self.scope.recover():
            one_of(self.scope, line.name, SETTINGS, "training setting")
        return replace(line, name=s.Ident(line.name.span, near.word))

    def _into_optimizer(self, line: s.Setting, call: str) -> list[tuple[Span, str]]:
        """A line removed, and its value in the call of the optimizer; empty without such a call."""
        source, end = line.span.source, line.span.source.text.find("\n", line.span.end)
        start = source.text.rfind("\n", 0, line.span.start)
        removed = (source.span(start, end if end >= 0 else line.span.end), "")
        for other in self.item.lines:
            if isinstance(other, s.Setting) and other.name.text in ("optimizer", "optimiser"):
                return [removed, (other.value.span, call)]
        return []

    def _optimizer(self, argument: str) -> str:
        """The optimizer of the section with an argument set."""
        name = argument.partition("=")[0]
        for line in self.item.lines:
            if isinstance(line, s.Setting) and line.name.text in ("optimizer", "optimiser"):
                call = line.value
                given = [a.span.text for a in call.arguments] if isinstance(call, s.Call) else []
                others = [text for text in given if text.partition("=")[0].strip() != name]
                return f"{s.callee(call).span.text}({', '.join([argument, *others])})"
        return f"adam({argument})"

    def _pattern_line(self, line: s.Patterns) -> None:
        scope, word = self.scope, line.word.text
        if line.value is None:
            one_of(scope, line.word, PATTERNS, "pattern line")
            self.patterns.setdefault(word, []).extend(line.patterns)
            return
        if word not in SEVERAL:
            one_of(scope, line.word, (*SETTINGS, *PATTERNS), "training setting")
            help = f"remove the `= ..`, which `{word}` does not take"
            if word not in PATTERNS:
                help = 'weights of some labels get rates of their own by `group ".." = adjust(lr=.., ..)`'
            scope.fail("E0225", f"`{word}` is not set for patterns", line.word.span, help=help)
        call = read_call(scope, line.word, line.value, tuple(p.value for p in line.patterns))
        self.calls.setdefault(word, []).append(call)
        self.patterns.setdefault(word, []).extend(line.patterns)

    # -- the loss and the metrics -----------------------------------------------------------------

    def _loss(self, line: s.Setting) -> None:
        first = len(self.scope.steps)
        value = self._measured("loss", line.value, lambda: self.scope.evaluate(line.value))
        check_class_scores(self.scope, first, line.value.span)
        if not self.unfinished:  # else there are values that no step computes
            self._ignored = frozenset(use.ignore for use in class_uses(self.inputs, self.scope.steps))
        if not is_scalar(value):
            self._no_scalar("loss", value, line.value.span)
        self.outputs.insert(0, Slot("loss", value.type, value.value, line.name.span))
        self.scope.bind_new(line.name, value)

    def _metric(self, line: s.Metric) -> None:
        name = line.name.text
        old = next((slot for slot in self.outputs if slot.name == name), None)
        if old is not None or name == "loss":
            also = [Label(old.span, "the first is here")] if old else []
            help = "give one of them another name"
            message = f"`{name}` is measured twice" if old else "`loss` is measured already"
            self.scope.fail("E0203", message, line.name.span, also=also, help=help)
        self.scope.reuses_calls = True  # it looks at what was computed for the loss, where it can
        first, ignored = len(self.scope.steps), self._ignored
        kind, arguments, value = self._measured(
            name, line.value, lambda: measure(self.scope, line.value, ignored)
        )
        check_class_scores(self.scope, first, line.value.span)
        if not isinstance(value, Tensor) or (kind == MEAN and not is_scalar(value)):
            self._no_scalar("metric", value, line.value.span)
        self.metrics.append(MetricSpec(name, kind, arguments, name, line.span))
        self.outputs.append(Slot(name, value.type, value.value, line.name.span))

    def _measured(self, label: str, expr: s.Expr, evaluate: Callable[[], T]) -> T:
        """A loss or a metric under its label path. Raises `PoisonedError` after reporting its errors."""
        with self._under(label), self.scope.recover(expr):
            return evaluate()
        raise PoisonedError

    @contextmanager
    def _under(self, label: str) -> Iterator[None]:
        """Put the operators added inside under their own label path."""
        self.scope.labels.prefix = [TRAIN_PATH, label]
        try:
            yield
        finally:
            self.scope.labels.prefix = []

    def _no_scalar(self, what: str, value: Evaluated, span: Span) -> NoReturn:
        shown = f"a tensor {value.type}" if isinstance(value, Tensor) else describe(value)
        help = "take the mean of it: `mean(..)`" if isinstance(value, Tensor) else None
        text = f"mean({span.text})"
        cause = Edited([(f"write `{text}`", [(span, text)])]) if help is not None else None
        message = f"a {what} must be one float without axes, but this is {shown}"
        self.scope.fail("E0222", message, span, help=help, cause=cause)


def _as_patterns(line: s.Setting) -> tuple[str, str]:
    """`freeze = [fc1]` as a line of patterns: the help, and the text."""
    value = line.value
    elements = value.elements if isinstance(value, s.ListExpr) else (value,)
    names = [element.span.text.strip('"') for element in elements]
    patterns = ", ".join(f'"{name}"' if "*" in name or name == "all" else f'"{name}.*"' for name in names)
    text = f"{line.name.text} {patterns}"
    return f"write `{text}`: patterns of the labels of weights", text
