"""Recognising a call of another framework, reporting what it is here, and going on with that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import NoReturn

from netdsl import syntax as s
from netdsl.arrivals.losses import loss_call
from netdsl.arrivals.table import ACTIVATIONS, FUNCTIONS, LAYERS, TORCH_ACTIVATIONS, Foreign
from netdsl.arrivals.translate import WRAPPERS, Saying, arguments_of, saying, text_of, unwrapped
from netdsl.arrivals.words import FRAMEWORKS, FUNCTIONAL, LISTED, MODULES, NUMBERED, WITH_WEIGHTS
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Binding, BlockValue, Tensor, is_integer, is_number
from netdsl.checker.evaluate.expressions import lookup
from netdsl.diagnostics import Diagnostic, Label
from netdsl.dims import dim
from netdsl.edits import Edit, replacement
from netdsl.modules import std_block
from netdsl.ops.contract.base import REGISTRY
from netdsl.parsing.suggested import chain_of
from netdsl.source import Source, Span

NOTHING = Binding(None, Source("", "").span(0, 0))
CELLS = ("LSTM", "GRU", "RNN", "SimpleRNN")


def met(scope: Scope, expr: s.Expr, piped: list[Tensor]) -> s.Chain | None:
    """Our stages for an expression of another framework, which is reported; None for one of ours."""
    if scope.module.is_std:
        return None
    if isinstance(expr, s.Call) and isinstance(expr.function, s.Call):
        return _loss(scope, expr) or _applied(scope, expr)
    loss = _loss(scope, expr) if isinstance(expr, s.Call) and not piped else None
    if loss is not None:
        return loss
    name, is_foreign = _callee(scope, expr)
    if name is None:
        return None
    arguments = expr.arguments if isinstance(expr, s.Call) else ()
    if is_foreign and name == "Sequential" and not piped:
        _report_sequence(scope, expr, arguments)
    if is_foreign and name in FUNCTIONAL and not piped and len(arguments) > 1:
        return _functional(scope, expr, FUNCTIONAL[name], arguments)
    said = _layer_of(scope, name, arguments, piped) or _said(scope, name, arguments, piped, is_foreign)
    if said is None:
        return None
    if isinstance(expr, s.Call) and not piped and said.text.isidentifier() and said.text[0].isupper():
        said = replace(said, text=f"{said.text}()")
    written = s.callee(expr).span if is_foreign else expr.span
    _report(scope, expr, written, said, is_foreign)
    chain = chain_of(said.text, expr.span)
    if chain is None:
        return None
    return chain


def _loss(scope: Scope, expr: s.Call) -> s.Chain | None:
    """`nn.CrossEntropyLoss()(logits, label)` and `CrossEntropyLoss(logits, label)`: the loss, applied."""
    inner = expr.function if isinstance(expr.function, s.Call) else expr
    name, is_foreign = _callee(scope, inner)
    if name is None or not is_foreign or name in FUNCTIONS:
        return None
    options = inner.arguments if inner is not expr else ()
    said = loss_call(name, (*expr.arguments, *options), _is_label_first(scope, expr.arguments))
    if said is None:
        return None
    _report(scope, expr, inner.function.span, said, is_foreign)
    return chain_of(said.text, expr.span)


def _is_label_first(scope: Scope, arguments: Sequence[s.Argument]) -> bool | None:
    """Whether the first of two tensors can only be the label of the second; None if that is not known."""
    values = [a.value for a in arguments if a.name is None]
    bound = [scope.names.get(v.text, NOTHING).value if isinstance(v, s.Name) else None for v in values]
    types = [b.type for b in bound if isinstance(b, Tensor)]
    if len(types) != 2 or types[0] == types[1]:
        return None
    return types[0].rank < types[1].rank or not types[0].dtype.is_float


def _applied(scope: Scope, expr: s.Call) -> s.Chain | None:
    """`Dense(10, activation="relu")(h)`: a layer that is two stages here, applied."""
    assert isinstance(expr.function, s.Call)
    inner = expr.function
    name, is_foreign = _callee(scope, inner)
    if name is None or not is_foreign or len(expr.arguments) != 1:
        return None
    if name == "Sequential":
        _report_sequence(scope, inner, inner.arguments, expr)
    said = _said(scope, name, inner.arguments, [], is_foreign)
    first, arrow, second = said.text.partition(" -> ") if said is not None else ("", "", "")
    if said is None or not arrow or not second.isidentifier():
        return None
    said = replace(said, text=f"{second}({first}({expr.arguments[0].span.text}))")
    _report(scope, expr, inner.function.span, said, is_foreign)
    return chain_of(said.text, expr.span)


def _callee(scope: Scope, expr: s.Expr) -> tuple[str | None, bool]:
    """The name that is called, without the module of another framework; whether it is unknown here."""
    function = expr.function if isinstance(expr, s.Call) else expr
    if isinstance(function, s.Attribute):
        root: s.Expr = function
        while isinstance(root, s.Attribute):
            root = root.value
        known = isinstance(root, s.Name) and (
            root.text in scope.names or root.text in scope.module.aliases or root.text not in MODULES
        )
        return (None, False) if known or not isinstance(root, s.Name) else (function.name.text, True)
    if not isinstance(function, s.Name) or function.text in scope.names:
        return None, False
    meaning = lookup(scope, function.text)
    if isinstance(meaning, BlockValue) and not meaning.module.is_std:
        return None, False
    return function.text, meaning is None


def _said(
    scope: Scope, name: str, arguments: Sequence[s.Argument], piped: list[Tensor], is_foreign: bool
) -> Saying | None:
    if is_foreign and name == "Sequential":
        return _sequence(scope, arguments)
    if is_foreign and name in LISTED and piped:
        return _listed(name, arguments)
    arguments = [replace(a, value=_inner(scope, a.value)) for a in arguments]
    if name in WRAPPERS and is_foreign and (within := unwrapped(name, arguments)) is not None:
        return within
    if name == "split" and is_foreign and (parts := _split(scope, arguments)) is not None:
        return parts
    if name == "Linear" and is_foreign and len(arguments) == 1 and arguments[0].name is None:
        return Saying(f"Linear({text_of(arguments[0].value)})", (), "Haiku")
    for foreign in (*LAYERS.get(name, ()), *FUNCTIONS.get(name, ())):
        if not is_foreign and not _is_theirs(scope, name, foreign, arguments, piped):
            continue
        given = arguments_of(foreign, arguments, bool(piped))
        if given is None or (is_foreign and not _fits(foreign, given)):
            continue
        if not is_foreign:
            given = _positional_as_ours(name, foreign, given, arguments)
        said = saying(foreign, given)
        return _as_scan(said, given) if name in CELLS and (is_foreign or piped) else said
    activation = _activation(name, arguments, is_foreign)
    if activation is not None and name[0].isupper() and name not in TORCH_ACTIVATIONS:
        return replace(activation, source="another framework")
    return activation


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
    number, at = _number(scope, size), _number(scope, axis) if axis is not None else 0
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
    name, is_foreign = _callee(scope, value) if isinstance(value, s.Call) else (None, False)
    if name is None or not isinstance(value, s.Call):
        return value
    said = _said(scope, name, value.arguments, [], is_foreign)
    return s.Name(Source("", said.text).span(0, len(said.text)), said.text) if said is not None else value


def _layer_of(scope: Scope, name: str, arguments: Sequence[s.Argument], piped: list[Tensor]) -> Saying | None:
    """`linear(2)`: the operator, where the layer with weights of its own is meant."""
    layer = WITH_WEIGHTS.get(name)
    numbers = [_number(scope, a.value) for a in arguments if a.name is None]
    if layer is not None and piped and arguments and not numbers:
        words = {a.name.text for a in arguments if a.name is not None}
        if words <= set(parameters(layer)):
            inner = ", ".join(a.span.text for a in arguments)
            return Saying(f"{layer}({inner})", (), "")
    if layer is None or not piped or not numbers or None in numbers:
        return None
    given = arguments_of(LAYERS[name.capitalize()][0], arguments, True) if name in NUMBERED else None
    if given is not None and len(numbers) > 1:
        return saying(LAYERS[name.capitalize()][0], given)
    inner = ", ".join(a.span.text for a in arguments)
    return Saying(f"{layer}({inner})", (), "")


def _fits(foreign: Foreign, given: object) -> bool:
    assert isinstance(given, dict)
    return all(name in foreign.params or name in foreign.inferred or name == "activation" for name in given)


def _positional_as_ours(
    name: str, foreign: Foreign, given: object, arguments: Sequence[s.Argument]
) -> dict[str, str]:
    """For a name of ours with their keywords: arguments by position are in our order, if they can be."""
    assert isinstance(given, dict)
    if any(a.name is None for a in arguments) and any(a.name is not None for a in arguments):
        ours = parameters(name)
        says = dict.fromkeys(foreign.says.partition("(")[2].rstrip(")").replace(" ", "").split(","))
        order = [piece.partition("=")[2] or piece for piece in says]
        keep = {a.name.text: text_of(a.value) for a in arguments if a.name is not None}
        first = [a for a in arguments if a.name is None]
        if len(first) < 2 or not ours:
            keep |= dict(zip(order, [text_of(a.value) for a in first], strict=False))
            return keep
    return given


def parameters(name: str) -> list[str]:
    """The arguments of an operator or a standard block of ours."""
    block = std_block(name)
    if block is not None:
        return [p.name.text for p in block[0].statics]
    return [f.name for f in fields(REGISTRY[name])] if name in REGISTRY else []


def _is_theirs(
    scope: Scope, name: str, foreign: Foreign, arguments: Sequence[s.Argument], piped: list[Tensor]
) -> bool:
    """Whether a call of a name that both have is written as theirs."""
    ours = set(parameters(name)) | ({"x"} if name in REGISTRY else set())
    unknown = [a.name.text for a in arguments if a.name is not None and a.name.text not in ours]
    if unknown:
        theirs = {p.lstrip("*") for p in foreign.params} | foreign.inferred | {"activation"}
        return all(word in theirs for word in unknown)
    return _by_position(scope, name, foreign, arguments, piped)


def _by_position(
    scope: Scope, name: str, foreign: Foreign, arguments: Sequence[s.Argument], piped: list[Tensor]
) -> bool:
    """Whether numbers by position can only be meant in their order."""
    numbers = [_number(scope, a.value) for a in arguments if a.name is None]
    if foreign.source == "Keras" and name == "MultiHeadAttention":
        heads, size = (*numbers, None, None)[:2]
        return heads is not None and size is not None and heads < size  # there are no more heads of keys
    if foreign.source != "PyTorch" or any(a.name is not None for a in arguments[:1]):
        return False
    if name in ("Linear", "LSTM", "GRU", "RNN"):
        return len(numbers) > 1 and all(n is not None for n in numbers[:2])
    if name in ("LayerNorm", "BatchNorm", "RMSNorm", "InstanceNorm"):
        return bool(numbers) and numbers[0] is not None and numbers[0] >= 1
    if name == "GroupNorm":
        return len(numbers) > 1 and numbers[1] is not None and numbers[1] >= 1
    if name in ("MultiHeadAttention", "EncoderLayer", "DecoderLayer") and len(numbers) > 1 and piped:
        features = piped[0].type.shape[-1:]
        first, second = numbers[:2]
        return first is not None and second is not None and features == (dim(int(first)),) and first > second
    return False


def _number(scope: Scope, expr: s.Expr) -> float | None:
    """The number that a simple argument gives; a list of one counts as its number."""
    if isinstance(expr, s.ListExpr) and len(expr.elements) == 1:
        return _number(scope, expr.elements[0])
    value: object = None
    if isinstance(expr, s.Number):
        value = expr.value
    elif isinstance(expr, s.Name) and expr.text in scope.names:
        value = scope.names[expr.text].value
    if is_number(value) and not (is_integer(value) and not dim(value).is_fixed):
        return float(int(value) if is_integer(value) else value)
    return None


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


def _sequence(scope: Scope, arguments: Sequence[s.Argument]) -> Saying | None:
    """`Sequential(a, b)`: the stages in a group."""
    values = [a.value for a in arguments]
    if len(values) == 1 and isinstance(values[0], s.ListExpr):
        values = list(values[0].elements)
    stages = []
    for value in values:
        name, is_foreign = _callee(scope, value)
        inner = value.arguments if isinstance(value, s.Call) else ()
        said = _said(scope, name, inner, [], is_foreign) if name is not None else None
        stages.append(said.text if said is not None else value.span.text)
    return Saying(f"{{ {' -> '.join(stages)} }}", ("stages follow each other with `->`",)) if stages else None


def _functional(scope: Scope, expr: s.Expr, layer: str, arguments: Sequence[s.Argument]) -> s.Chain | None:
    """`tf.layers.dense(x, 128, activation=tf.nn.relu)`: a layer and its input in one call."""
    said = _said(scope, layer, [replace(a, value=_word(a.value)) for a in arguments[1:]], [], True)
    if said is None:
        return None
    first, _, second = said.text.partition(" -> ")
    inner = f"{first}({text_of(arguments[0].value)})"
    said = replace(said, text=f"{second}({inner})" if second else inner)
    _report(scope, expr, s.callee(expr).span, said, True)
    return chain_of(said.text, expr.span)


def _word(value: s.Expr) -> s.Expr:
    """`tf.nn.relu` as the name `relu`."""
    return s.Name(value.span, value.name.text) if isinstance(value, s.Attribute) else value


def _report_sequence(
    scope: Scope, expr: s.Expr, arguments: Sequence[s.Argument], applied: s.Call | None = None
) -> NoReturn:
    """Raise E0201 for `net = nn.Sequential(a, b)`, whose stages are written where they are applied."""
    said = _sequence(scope, arguments)
    stages = said.text[2:-2] if said is not None else "a -> b"
    at = s.callee(expr).span
    help = f"write the stages where they are applied: `x -> {stages}`"
    source = FRAMEWORKS.get(at.text.partition(".")[0], "PyTorch")
    message = f"`{at.text}` is not known here: it comes from {source}"
    fixes: tuple[Edit, ...] = ()
    if applied is not None:
        text = f"{applied.arguments[0].span.text} -> {stages}"
        help, fixes = f"write `{text}`", (replacement(applied.span, text, is_certain=False),)
    scope.fail("E0201", message, at, help=help, fixes=fixes)


def _activation(name: str, arguments: Sequence[s.Argument], is_foreign: bool) -> Saying | None:
    """`ReLU()`, `ReLU`, `Softmax(dim=-1)`, and functions that have the same name here, as `F.relu(x)`."""
    ours = ACTIVATIONS.get(name.lower().replace("_", ""))
    if not is_foreign:
        return None
    if ours is None:
        if name in REGISTRY:
            inner = ", ".join(text_of(a.value) if a.name is None else a.span.text for a in arguments)
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


# -- reports -----------------------------------------------------------------------------------------


def report(scope: Scope, expr: s.Expr, message: str, said: Saying, at: Span, code: str = "E0201") -> None:
    notes = f": {'; '.join(said.notes)}" if said.notes else ""
    edits: tuple[Edit, ...] = (replacement(expr.span, said.text, is_certain=said.is_exact),)
    help = f"write `{said.text}`{notes}"
    found = Diagnostic(code, message, (Label(at),), help, scope.path, fixes=edits)
    scope.checker.report([found])


def _report(scope: Scope, expr: s.Expr, at: Span, said: Saying, is_foreign: bool) -> None:
    callee = s.callee(expr).span.text
    root = callee.partition(".")[0] if "." in callee else ""
    message = f"`{callee}` is not known here: it comes from {FRAMEWORKS.get(root, said.source)}"
    if not is_foreign:
        message = f"`{expr.span.text}` is written as in {said.source}"
    if not said.source:
        layer = said.text.partition("(")[0]
        message = f"`{callee}` is the operator, which is given a weight; the layer that has one is `{layer}`"
    report(scope, expr, message, said, at, "E0201" if is_foreign else "E0406")
