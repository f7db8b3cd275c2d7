"""What a call of another framework is here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from netdsl import syntax as s
from netdsl.arrivals.table import ACTIVATIONS, FUNCTIONS, LAYERS, TORCH_ACTIVATIONS, Foreign
from netdsl.arrivals.translate import WRAPPERS, Saying, arguments_of, saying, text_of, unwrapped
from netdsl.arrivals.words import LISTED, NUMBERED, WITH_WEIGHTS
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Tensor
from netdsl.checker.foreign.names import NOTHING, callee_of, number_of, parameters
from netdsl.checker.foreign.order import fits, is_complete, read_as_theirs
from netdsl.checker.foreign.settings import CELLS
from netdsl.ops.contract.base import REGISTRY
from netdsl.source import Source

_PLACED = frozenset("device requires_grad inplace out".split())
"""Arguments that say where values are kept, which is chosen when a model is run."""


def said_here(
    scope: Scope, name: str, arguments: Sequence[s.Argument], piped: list[Tensor], is_foreign: bool
) -> Saying | None:
    if is_foreign and (name == "Sequential" or (name == "ModuleList" and piped)):
        return sequence(scope, arguments)
    if is_foreign and name in LISTED and piped:
        return _listed(name, arguments)
    arguments = [replace(a, value=_inner(scope, a.value)) for a in arguments]
    if name in WRAPPERS and is_foreign and (within := unwrapped(name, arguments)) is not None:
        return within
    if name == "split" and is_foreign and (parts := _split(scope, arguments)) is not None:
        return parts
    if name == "Linear" and is_foreign and len(arguments) == 1 and arguments[0].name is None:
        return Saying(f"Linear({text_of(arguments[0].value)})", (), "Haiku")
    signatures = (*LAYERS.get(name, ()), *FUNCTIONS.get(name, ()))
    if is_foreign:
        reading = _reading(signatures, arguments, bool(piped))
    else:
        reading = read_as_theirs(scope, name, signatures, arguments, piped)
    if reading is not None:
        said = saying(*reading)
        return _as_scan(said, reading[1]) if name in CELLS and (is_foreign or piped) else said
    activation = _activation(name, arguments, is_foreign)
    if activation is not None and name[0].isupper() and name not in TORCH_ACTIVATIONS:
        return replace(activation, source="another framework")
    return activation


def _reading(
    signatures: Iterable[Foreign], arguments: Sequence[s.Argument], piped: bool
) -> tuple[Foreign, Mapping[str, str]] | None:
    """The first signature that a call of a foreign name fits, and its arguments."""
    for foreign in signatures:
        given = arguments_of(foreign, arguments, piped)
        if given is None or not fits(foreign, given):
            continue
        if is_complete(foreign, given) or foreign.params[0] not in foreign.inferred:
            return foreign, given
        short = replace(foreign, params=foreign.params[1:])  # without the size of the input
        shorter = arguments_of(short, arguments, piped)
        is_better = shorter is not None and fits(foreign, shorter) and is_complete(foreign, shorter)
        return foreign, shorter if shorter is not None and is_better else given
    return None


def _listed(name: str, arguments: Sequence[s.Argument]) -> Saying:
    """`view(-1, 10)` as a stage."""
    values = [a.value for a in arguments]
    if len(values) == 1 and isinstance(values[0], s.ListExpr):
        values = list(values[0].elements)
    return Saying(f"{LISTED[name]}([{', '.join(text_of(value) for value in values)}])")


def _split(scope: Scope, arguments: Sequence[s.Argument]) -> Saying | None:
    """`torch.split(x, 4, dim=1)`, which gives the size of a part, where ours takes their number."""
    given = {a.name.text if a.name else ("x", "size", "dim")[min(n, 2)]: a for n, a in enumerate(arguments)}
    names = {"split_size_or_sections": "size", "split_size": "size", "axis": "dim", "tensor": "x"}
    values = {names.get(word, word): argument.value for word, argument in given.items()}
    if not {"x", "size"} <= set(values):
        return None
    x, size, axis = values["x"], values["size"], values.get("dim")
    tensor = scope.names.get(x.text, NOTHING).value if isinstance(x, s.Name) else None
    number, at = number_of(scope, size), number_of(scope, axis) if axis is not None else 0
    where = f", axis={text_of(axis)}" if axis is not None else ", axis=0"
    if isinstance(size, s.ListExpr):
        return Saying(f"split({text_of(x)}, sizes={text_of(size)}{where})")
    if (
        not isinstance(tensor, Tensor)
        or not number
        or at is None
        or not -tensor.type.rank <= at < tensor.type.rank
    ):
        return None
    total = tensor.type.shape[int(at)]
    if not total.is_fixed or int(total) % int(number):
        return None
    notes = (f"{int(total)} in parts of {int(number)}",)
    return Saying(f"split({text_of(x)}, {int(total) // int(number)}{where})", notes)


def _inner(scope: Scope, value: s.Expr) -> s.Expr:
    """An argument that is a call of another framework itself, as ours."""
    name, is_foreign = callee_of(scope, value) if isinstance(value, s.Call) else (None, False)
    if name is None or not isinstance(value, s.Call):
        return value
    said = said_here(scope, name, value.arguments, [], is_foreign)
    return s.Name(Source("", said.text).span(0, len(said.text)), said.text) if said is not None else value


def layer_of(scope: Scope, name: str, arguments: Sequence[s.Argument], piped: list[Tensor]) -> Saying | None:
    """`linear(2)`: the operator, where the layer with weights of its own is meant."""
    layer = WITH_WEIGHTS.get(name)
    numbers = [number_of(scope, a.value) for a in arguments if a.name is None]
    if layer is not None and arguments and not numbers:
        words = {a.name.text for a in arguments if a.name is not None}
        if words <= set(parameters(layer)) and (piped or not words <= set(parameters(name))):
            inner = ", ".join(a.span.text for a in arguments)
            return Saying(f"{layer}({inner})", (), "")
    if layer is None or not piped or not numbers or None in numbers:
        return None
    given = arguments_of(LAYERS[name.capitalize()][0], arguments, True) if name in NUMBERED else None
    if given is not None and len(numbers) > 1:
        return saying(LAYERS[name.capitalize()][0], given)
    inner = ", ".join(a.span.text for a in arguments)
    return Saying(f"{layer}({inner})", (), "")


def _as_scan(said: Saying, given: object) -> Saying:
    """A recurrent layer runs its cell by `scan`; several layers, or two directions, are `Recurrent`."""
    assert isinstance(given, dict)
    layers, both = given.get("num_layers", "1"), given.get("bidirectional", "false")
    extra = [f"layers={layers}"] * (layers != "1") + [f"bidirectional={both}"] * (
        both not in ("false", "False")
    )
    if not extra:
        notes = said.notes
        if given.get("return_sequences", "false") == "false" and "units" in given:
            notes = (*notes, "its result has all steps; `[:, -1]` is the last")
        return replace(said, text=f"scan {said.text}", notes=notes)
    return replace(said, text=f"Recurrent({', '.join([said.text, *extra])})")


def sequence(scope: Scope, arguments: Sequence[s.Argument]) -> Saying | None:
    """`Sequential(a, b)`: the stages in a group."""
    values = [a.value for a in arguments]
    if len(values) == 1 and isinstance(values[0], s.ListExpr):
        values = list(values[0].elements)
    stages = []
    for value in values:
        name, is_foreign = callee_of(scope, value)
        inner = value.arguments if isinstance(value, s.Call) else ()
        said = said_here(scope, name, inner, [], is_foreign) if name is not None else None
        stages.append(said.text if said is not None else value.span.text)
    return Saying(f"{{ {' -> '.join(stages)} }}", ("stages follow each other with `->`",)) if stages else None


def _activation(name: str, arguments: Sequence[s.Argument], is_foreign: bool) -> Saying | None:
    """`ReLU()`, `ReLU`, `Softmax(dim=-1)`, and functions that have the same name here, as `F.relu(x)`."""
    ours = ACTIVATIONS.get(name.lower().replace("_", ""))
    if not is_foreign:
        return None
    if ours is None:
        if name in REGISTRY:
            kept = [a for a in arguments if a.name is None or a.name.text not in _PLACED]
            inner = ", ".join(text_of(a.value) if a.name is None else a.span.text for a in kept)
            return Saying(f"{name}({inner})" if inner else name)
        return None
    values = [a for a in arguments if a.name is None or a.name.text not in ("inplace",)]
    if ours == "clip":
        return Saying("clip(0.0, 6.0)")
    if ours in ("softmax", "log_softmax") and name[0].isupper():
        return Saying(f"{ours}(over={values[0].value.span.text})" if values else ours)
    if not name[0].isupper():  # F.relu(x)
        inner = ", ".join(a.span.text for a in values)
        return Saying(f"{ours}({inner})" if inner else ours)
    number = [a.value.span.text for a in values]
    slope = {"leaky_relu": "slope", "elu": "alpha", "celu": "alpha"}.get(ours)
    return Saying(f"{ours}({slope}={number[0]})" if slope and number else ours)
