"""What certainly does not fit in the memory of this machine, as `netrun check` reports it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic, Label
from netdsl.immutable import immutable
from netdsl.model import BodyStep, CallStep, OpStep, Parameter, below
from netruntime.memory import total_memory
from netruntime.quantities import bytes_text

if TYPE_CHECKING:
    from netdsl.model import Body, Model
    from netdsl.source import Span
    from netdsl.types import TensorType

HELP = "make it smaller, or run it on a machine with more memory; `netrun show` lists the bytes of each part"


@immutable
class Tensor:
    """A tensor of fixed size in a body, by its label, and the calls in the source that lead to it."""

    type: TensorType
    label: str
    spans: tuple[Span, ...]

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.type.bytes.value

    def called_from(self, caller: CallStep) -> Tensor:
        return Tensor(self.type, below(caller.label, self.label), (caller.span, *self.spans))

    def place(self, before: str = "") -> Label:
        """The innermost call in the file of the model, rather than a line of the standard library."""
        own = [span for span in self.spans if span.source is self.spans[0].source]
        return Label(own[-1], f"{before}`{self.label}` is {self.type}, {bytes_text(self.size)}")


def too_large(models: Iterable[Model]) -> Iterator[Diagnostic]:
    """A hint for each model whose weights, or one value of fixed size, need more memory than there is."""
    total = total_memory()
    if total is None:
        return
    for model in models:
        sizes = [step.types[0].bytes.value for step in model.body.parameters.values()]
        largest = _largest(model.body, {}, weights=True) if sum(sizes) > total else None
        if largest is not None:
            place = largest.place(f"the largest of {len(sizes)} weights: " if len(sizes) > 1 else "")
            yield _hint(f"the weights of `{model.name}` need {bytes_text(sum(sizes))}", total, place)
        values = [_largest(model.body, {}, weights=False), *_inputs(model)]
        value = max((each for each in values if each is not None), key=lambda each: each.size, default=None)
        if value is not None and value.size > total:
            yield _hint(f"one value of `{model.name}` needs {bytes_text(value.size)}", total, value.place())


def _hint(need: str, total: int, place: Label) -> Diagnostic:
    message = f"{need} of memory, but this machine has {bytes_text(total)}"
    return Diagnostic("E0259", message, (place,), HELP, severity="hint")


def _inputs(model: Model) -> Iterator[Tensor]:
    slots = (slot for slot in model.body.inputs if _is_fixed(slot.type))
    return (Tensor(slot.type, slot.name, (slot.span,)) for slot in slots)


def _largest(body: Body, known: dict[int, Tensor | None], *, weights: bool) -> Tensor | None:
    """The largest weight of a body and of the blocks that it calls, or the largest other value."""
    if id(body) not in known:
        steps = body.steps if weights else list(_used(body))
        own = [tensor for step in steps if isinstance(step, OpStep) for tensor in _made(step, weights)]
        for step in steps:
            if isinstance(step, CallStep):
                inner = _largest(step.body, known, weights=weights)
                own += [inner.called_from(step)] if inner is not None else []
        known[id(body)] = max(own, key=lambda tensor: tensor.size, default=None)
    return known[id(body)]


def _used(body: Body) -> Iterator[BodyStep]:
    """The steps that an output, a next state or an update needs; no run computes the others."""
    needed = {slot.value for slot in (*body.outputs, *body.next_values)} | {
        value for _, value in body.updates
    }
    counts = [len(step.types if isinstance(step, OpStep) else step.body.outputs) for step in body.steps]
    first = len(body.inputs) + sum(counts)
    for step, count in zip(reversed(body.steps), reversed(counts), strict=True):
        first -= count
        if not needed.isdisjoint(range(first, first + count)):
            needed.update(value for value in step.inputs if value is not None)
            yield step


def _made(step: OpStep, weights: bool) -> Iterator[Tensor]:
    """The tensors of fixed size that an operator makes; a view takes no memory."""
    if isinstance(step.op, Parameter) is weights and not step.op.is_view:
        yield from (Tensor(type_, step.label, (step.span,)) for type_ in step.types if _is_fixed(type_))


def _is_fixed(type_: TensorType) -> bool:
    return all(size.is_fixed for size in type_.shape)
