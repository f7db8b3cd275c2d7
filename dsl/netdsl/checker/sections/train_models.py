"""The models that a `train` section uses: what its names mean, its inputs, and the calls.

A name that is an output of a model calls that model on inputs of its own names. A model can also be called
by name, `Generator(z)`; all calls of it share its weights. Label paths are those of the model itself where
the file has one model; where it has several, they begin with the model's name: `Generator.out.weight`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from netdsl import syntax as s
from netdsl.checker.calls.application import Application
from netdsl.checker.calls.construct import construct_block
from netdsl.checker.calls.layers import apply_layer
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import POISON, Binding, BlockValue, LayerValue, Unfinished
from netdsl.checker.sizes.shapes import declare, type_pattern
from netdsl.diagnostics import Label
from netdsl.dims import symbol
from netdsl.model import Model, Slot
from netdsl.source import Span
from netdsl.types import TensorType


def bind_models(
    scope: Scope,
    lines: tuple[s.TrainLine, ...],
    models: Mapping[str, Model],
    unfinished: Sequence[Unfinished] = (),
) -> list[Slot]:
    """Bind the models by name, the inputs, and the outputs that the lines use; the inputs of the phase.

    Raises:
        NetError: E0221 where a name may mean tensors of two models, or two models have an input of one
            name and two types; E0203 for an input of the section that a model has already.
    """
    binding = _Models(scope, models)
    used = _used(lines)
    called = binding.called(used)
    for model in models.values():
        for slot in model.body.inputs:
            if model in called or slot.name in used:
                binding.declare(slot.name, slot.type, slot.span, model.symbols)
    for model_with_errors in unfinished:
        binding.bind_unfinished(model_with_errors, used)
    binding.own_inputs(lines)
    for name, model in models.items():
        binding.bind(name, model)
    for model in called:
        binding.call(model, next(used[name] for name in model.outputs if name in used))
    return binding.slots


def _used(lines: tuple[s.TrainLine, ...]) -> dict[str, Span]:
    """The names that the lines use but do not bind, and where each is used first."""
    own = {name.text for line in lines for name in names_bound_by(line)}
    used: dict[str, Span] = {}
    for name in s.names_in(lines):
        if name.text not in own:
            used.setdefault(name.text, name.span)
    return used


def names_bound_by(line: s.TrainLine) -> Iterable[s.Ident]:
    """The names that a line of a `train` section binds."""
    if isinstance(line, s.Bind | s.Broken):
        return line.names
    return (line.name,) if isinstance(line, (s.TrainInput, s.Let, s.Setting)) else ()


def without_types(lines: tuple[s.TrainLine, ...]) -> list[s.TrainLine]:
    """The lines without the inputs and the `let`s of their types, which `bind_models` has bound."""
    in_types = _names_in_types(lines)
    return [
        line
        for line in lines
        if not isinstance(line, s.TrainInput) and not (isinstance(line, s.Let) and line.name.text in in_types)
    ]


def _names_in_types(lines: tuple[s.TrainLine, ...]) -> set[str]:
    types = tuple(line.type for line in lines if isinstance(line, s.TrainInput))
    return {name.text for name in s.names_in(types)}


@dataclass
class _Models:
    scope: Scope
    models: Mapping[str, Model]
    slots: list[Slot] = field(default_factory=list)
    layers: dict[str, LayerValue] = field(default_factory=dict)

    def called(self, used: Mapping[str, Span]) -> list[Model]:
        """The models with an output that is used by name. Raises E0221 if a name could be of two."""
        for name, span in used.items():
            of = [m for m in self.models.values() if name in m.outputs or name in m.inputs]
            if len(of) > 1 and any(name in m.outputs for m in of):
                sides = [f"an {'output' if name in m.outputs else 'input'} of `{m.name}`" for m in of]
                help = f"call the model that is meant, and name the result: `result = {of[0].name}(..)`"
                self.scope.fail("E0221", f"`{name}` is {' and '.join(sides)}", span, help=help)
        return [model for model in self.models.values() if any(name in used for name in model.outputs)]

    def declare(self, name: str, type_: TensorType, span: Span, symbols: Mapping[str, Span]) -> None:
        """An input of the phase; one that two models have by name has one type (E0221)."""
        scope = self.scope
        old = next((slot for slot in self.slots if slot.name == name), None)
        if old is not None:
            if old.type != type_:
                also = [Label(old.span, f"it is {old.type} here")]
                message = f"two models have an input `{name}` with different types"
                help = "call the models by name: `y = Model(x)`"
                scope.fail("E0221", message, span, f"it is {type_} here", also=also, help=help)
            return
        tensor = scope.add_value(type_, span)
        scope.bind(name, tensor, span, "input")
        self.slots.append(Slot(name, type_, tensor.value, span))
        for word in [word for size in type_.shape for word in sorted(size.symbols) if word in symbols]:
            scope.checker.symbol_origins.setdefault(word, symbols[word])
            if word.isidentifier():
                scope.names.setdefault(word, Binding(symbol(word), span, "size"))

    def bind_unfinished(self, model: Unfinished, used: Mapping[str, Span]) -> None:
        """Bind what is known of a model with errors: tensors of the types it declares, or unknown values."""
        scope = self.scope
        for name, type_ in model.inputs.items():
            if name in used and type_ is not None:
                self.declare(name, type_, model.span, model.symbols)
        for name, type_ in (model.inputs | model.outputs | {model.name: None}).items():
            value = POISON if type_ is None else scope.add_value(type_, model.span)
            scope.names.setdefault(name, Binding(value, model.span, "input"))

    def own_inputs(self, lines: tuple[s.TrainLine, ...]) -> None:
        """The section's own inputs, after what their types need of its `let`s."""
        scope, in_types = self.scope, _names_in_types(lines)
        for line in lines:
            with scope.recover():
                if isinstance(line, s.Let) and line.name.text in in_types:
                    scope.bind_new(line.name, scope.evaluate(line.value), "static")
                elif isinstance(line, s.TrainInput):
                    self._own_input(line)

    def _own_input(self, line: s.TrainInput) -> None:
        old = next((slot for slot in self.slots if slot.name == line.name.text), None)
        if old is not None:
            also = [Label(old.span, "the first is here")]
            help = "remove the line, or choose another name"
            message = f"there is an input `{line.name}` already"
            self.scope.fail("E0203", message, line.name.span, also=also, help=help)
        type_ = declare(self.scope, line.name.text, type_pattern(self.scope, line.type))
        self.declare(line.name.text, type_, line.name.span, {})

    def bind(self, name: str, model: Model) -> None:
        """A model by its name, unless a tensor has it, is a layer of the section.

        The only model has no label of its own.
        """
        scope = self.scope
        block = scope.module.blocks[name]
        made = construct_block(scope, BlockValue(block, scope.module), (), block.name.span)
        label = "" if len(self.models) == 1 else name
        self.layers[name] = LayerValue(name, made, block.name.span, label)
        if name not in scope.names:
            scope.bind(name, self.layers[name], block.name.span, "layer")

    def call(self, model: Model, at: Span) -> None:
        """Call a model on the inputs of its own names, and bind its outputs by theirs."""
        scope = self.scope
        layer = self.layers[model.name]
        piped = [scope.tensor(slot.name) for slot in model.body.inputs]
        results = apply_layer(scope, layer, Application(s.Name(at, model.name), piped))
        for slot, value in zip(model.body.outputs, results, strict=True):
            scope.bind(slot.name, value, slot.span, "input")
