"""Methods of tensors in other frameworks, which are functions here."""

from __future__ import annotations

from netdsl import syntax as s
from netdsl.arrivals.table import ACTIVATIONS, FUNCTIONS
from netdsl.arrivals.translate import Saying, saying, text_of
from netdsl.arrivals.words import TYPES
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Tensor
from netdsl.checker.foreign.names import NOTHING
from netdsl.checker.foreign.reports import report
from netdsl.dims import dim
from netdsl.parsing.suggested import expression_of
from netdsl.source import Suggestion


def as_function(scope: Scope, expr: s.Call) -> s.Expr | None:
    """Our expression for a call of a method of a tensor, which is reported; None for anything else."""
    function = expr.function
    if not isinstance(function, s.Attribute) or scope.module.is_std:
        return None
    root: s.Expr = function
    while isinstance(root, (s.Attribute, s.Call)):
        root = root.value if isinstance(root, s.Attribute) else root.function
    is_result = isinstance(function.value, s.Call) and isinstance(function.value.function, s.Name)
    if (
        isinstance(root, s.Name)
        and not is_result
        and not isinstance(scope.names.get(root.text, NOTHING).value, Tensor)
    ):
        return None
    tensor = scope.evaluate(function.value)
    if not isinstance(tensor, Tensor):
        return None
    word = function.name.text
    said = method(scope, expr, tensor, word)
    if said is None:
        return None
    if not isinstance(expr.span.source, Suggestion):
        message = f"a tensor has no methods, and this is {tensor.type}"
        report(scope, expr, message, said, function.name.span, "E0402")
    return expression_of(said.text, expr.span)


def method(scope: Scope, expr: s.Call, tensor: Tensor, word: str) -> Saying | None:
    """`x.view(-1, 10)`: a function of the tensor here."""
    assert isinstance(expr.function, s.Attribute)
    text = expr.function.value.span.text
    values = [text_of(a.value) for a in expr.arguments if a.name is None]
    named = {a.name.text: text_of(a.value) for a in expr.arguments if a.name is not None}
    if word in ("view", "reshape"):
        return _view(scope, text, tensor, expr)
    if word == "permute":
        return Saying(f"transpose({text}, [{', '.join(values)}])")
    if word == "transpose" and len(values) == 2 and all(v.lstrip("-").isdigit() for v in values):
        order = list(range(tensor.type.rank))
        a, b = (int(v) % max(tensor.type.rank, 1) for v in values)
        order[a], order[b] = order[b], order[a]
        return Saying(f"transpose({text}, {order})")
    if word in ("t", "T"):
        return Saying(f"transpose({text}, [1, 0])")
    if word in TYPES and not values:
        return Saying(f"cast({text}, {TYPES[word]})")
    if word == "size":
        return Saying(f"shape({text})[{values[0]}]" if values else f"shape({text})")
    if word in ("contiguous", "clone", "to", "cuda", "cpu"):
        return Saying(
            text, ("devices are chosen when the model is run",) if word in ("to", "cuda", "cpu") else ()
        )
    if word in ("repeat", "tile") and len(values) == tensor.type.rank:
        return Saying(f"tile({text}, [{', '.join(values)}])")
    if word == "std":
        over = values[0] if values else named.get("dim", named.get("axis", ""))
        return Saying(f"sqrt(variance({text}{f', over={over}' if over else ''}, correction=1))")
    if word in ("masked_fill", "masked_fill_") and len(values) == 2:
        return _filled(text, *values)
    if word == "detach":
        return Saying(f"stop_gradient({text})")
    for foreign in FUNCTIONS.get(word, ()):
        if all(n in foreign.params for n in named):
            given = dict(zip(foreign.params, [text, *values], strict=False)) | named
            return saying(foreign, given)
    ours = ACTIVATIONS.get(word.replace("_", ""))
    return Saying(f"{ours}({text})") if ours else None


def _filled(text: str, where: str, value: str) -> Saying:
    """`scores.masked_fill(mask, float("-inf"))`."""
    if "inf" not in value:
        return Saying(f"where({where}, {value}, {text})")
    note = "`softmax(scores, where=keep)` leaves keys out exactly"
    return Saying(f"where({where}, -1e9, {text})", (note,))


def _view(scope: Scope, text: str, tensor: Tensor, expr: s.Call) -> Saying:
    values = [a.value for a in expr.arguments]
    if len(values) == 1 and isinstance(values[0], s.ListExpr):
        values = list(values[0].elements)
    sizes = [text_of(v) for v in values]
    batch = tensor.type.shape[0] if tensor.type.shape else None
    rest = sizes[1:]
    first = sizes[0] if sizes else ""
    is_batch = first in (f"{text}.size(0)", f"{text}.shape[0]", str(batch), "-1")
    if is_batch and len(sizes) == 2 and (rest == ["-1"] or _is_rest(tensor, rest[0])):
        return Saying(f"flatten({text})")
    if is_batch and batch is not None and str(batch) in scope.names:
        sizes = [str(batch), *rest]
    return Saying(f"reshape({text}, [{', '.join(sizes)}])")


def _is_rest(tensor: Tensor, text: str) -> bool:
    """Whether a number is that of all elements but the batch."""
    total = dim(1)
    for size in tensor.type.shape[1:]:
        total = total * size
    return text == str(total)
