"""Words of Python and of the modules of its frameworks."""

from __future__ import annotations

import re
from typing import NoReturn

from netdsl import syntax as s
from netdsl.arrivals.training import loss_of
from netdsl.arrivals.words import FRAMEWORKS, MODULES, PARTS
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Evaluated, Static, Tensor, describe
from netdsl.checker.evaluate import statics
from netdsl.diagnostics import suggest
from netdsl.edits import replacement
from netdsl.ops.contract.base import REGISTRY

_NEW_AXIS = ("None", "none", "np.newaxis", "newaxis", "jnp.newaxis", "tf.newaxis")
_OF_TENSORS = {"shape": "shape", "dtype": "dtype", "ndim": "rank", "size": "shape"}
_FILLED = re.compile(
    r"(?:([\d.e-]+) *\* *)?(?:\w+\.)+(randn|rand|zeros|ones|empty)"
    r"\([\[(]?([\w\s,]+?)[\])]?\)(?: *\* *([\d.e-]+))?"
)
"""A tensor that PyTorch fills: its scale, how, and its sizes."""
_INITIALISERS = {
    "randn": "normal(1.0)",
    "rand": "uniform(0.0, 1.0)",
    "zeros": "zeros",
    "ones": "ones",
    "empty": "zeros",
}
PYTHON_WORDS = {"True": True, "False": False, "None": None}


def python_word(scope: Scope, expr: s.Name) -> Static:
    """`True` of Python, which is reported, and read as `true`."""
    with scope.recover():
        help = suggest(expr.text, ["true", "false", "none"])
        scope.fail("E0201", f"`{expr.text}` is not known here", expr.span, help=help)
    return PYTHON_WORDS[expr.text]


def foreign_module(scope: Scope, expr: s.Expr) -> str | None:
    """The module of another framework that an attribute starts with: `nn` of `nn.Linear`."""
    root = expr
    while isinstance(root, s.Attribute):
        root = root.value
    if root is expr or not isinstance(root, s.Name) or root.text not in MODULES | {"self"}:
        return None
    return None if root.text in scope.names or root.text in scope.module.aliases else root.text


def fail_as_foreign(scope: Scope, expr: s.Attribute, module: str) -> NoReturn:
    """Raise E0201 for a name of another framework that has no translation, with what to write instead."""
    word = expr.name.text
    if module == "self":
        help = f"a layer is written where it is used, with a label: `x -> {word}: Linear(10)`"
        edits = (replacement(expr.span, word, is_certain=False),)
        scope.fail("E0201", "`self` is not known here", expr.span, help=help, fixes=edits)
    help = PARTS.get(word, "")
    if not help and loss_of(word) is not None:
        help = f"a loss is a function here: `loss = {loss_of(word)}(logits, label)` in the `train` section"
    help = help or "layers and functions are known without a module; `netrun explain NAME` describes one"
    message = f"`{expr.span.text}` is not known here: it comes from {FRAMEWORKS.get(module, 'PyTorch')}"
    scope.fail("E0201", message, expr.span, help=help)


def check_parameter(scope: Scope, statement: s.Bind) -> None:
    """Raise E0201 for `w = nn.Parameter(torch.randn(20, 10))`, with the declaration to write instead."""
    call = statement.value
    if not isinstance(call, s.Call) or foreign_module(scope, call.function) is None or not call.arguments:
        return
    filled = _FILLED.fullmatch(call.arguments[0].span.text)
    if call.function.span.text.rpartition(".")[2] not in ("Parameter", "Variable") or filled is None:
        return
    init: str | None = _INITIALISERS[filled[2]]
    scale = filled[1] or filled[4]
    if scale is not None:
        init = f"normal({scale})" if filled[2] == "randn" else None
    if init is None or len(statement.names) != 1:
        return
    text = f"param {statement.names[0]}: [{filled[3].strip().rstrip(',')}] = {init}"
    message = f"`{call.function.span.text}` is not known here: it comes from PyTorch"
    edits = (replacement(statement.span, text, is_certain=False),)
    scope.fail("E0201", message, call.function.span, help=f"write `{text}`", fixes=edits)


def check_input(scope: Scope, statement: s.Bind) -> None:
    """Raise E0201 for `inputs = keras.Input(shape=(20,))`, where the model has one input, with its name."""
    call = statement.value
    if not isinstance(call, s.Call) or foreign_module(scope, call.function) is None or scope.block is None:
        return
    word = call.function.span.text.rpartition(".")[2]
    inputs = scope.block.inputs or ()
    if word not in ("Input", "InputLayer", "placeholder") or len(inputs) != 1 or len(statement.names) != 1:
        return
    text = f"{statement.names[0]} = {inputs[0].name}"
    module = call.function.span.text.partition(".")[0]
    message = (
        f"`{call.function.span.text}` is not known here: it comes from {FRAMEWORKS.get(module, 'Keras')}"
    )
    help = f"the input is declared in the model's header: write `{text}`, or use `{inputs[0].name}`"
    edits = (replacement(statement.span, text, is_certain=False),)
    scope.fail("E0201", message, call.function.span, help=help, fixes=edits)


def fail_as_attribute(scope: Scope, expr: s.Attribute, value: Evaluated) -> NoReturn:
    """Raise E0402 for an attribute of what has none, such as `x.T` or `x.shape`, with the function for it."""
    word, text = expr.name.text, expr.value.span.text
    text = f"({text})" if isinstance(expr.value, (s.Operation, s.Pipeline)) else text
    said = None
    if isinstance(value, Tensor) and word in ("T", "mT") and value.type.rank > 1:
        order = [*range(value.type.rank - 2), value.type.rank - 1, value.type.rank - 2]
        said = f"transpose({text}, {order})"
    elif isinstance(value, Tensor) and word in _OF_TENSORS:
        said = f"{_OF_TENSORS[word]}({text})"
    elif word in REGISTRY or word in statics.FUNCTIONS:
        said = f"{word}({text})"
    edits = (replacement(expr.span, said),) if said is not None else ()
    message = f"only layers and imports have attributes, but this is {describe(value)}"
    scope.fail("E0402", message, expr.name.span, help=f"write `{said}`" if said else None, fixes=edits)


def check_new_axes(scope: Scope, expr: s.Index) -> None:
    """Raise E0402 for `x[:, None]` and `x[:, np.newaxis]`, with the operator that adds the axis."""
    axes = [n for n, part in enumerate(expr.elements) if part.span.text in _NEW_AXIS]
    if not axes:
        return
    rest = [part for n, part in enumerate(expr.elements) if n not in axes]
    while rest and rest[-1].span.text.strip() == ":":
        rest.pop()
    text = expr.value.span.text + (f"[{', '.join(part.span.text for part in rest)}]" if rest else "")
    for axis in axes:
        text = f"unsqueeze({text}, {axis})"
    at = expr.elements[axes[0]].span
    is_plain = all(isinstance(part, s.Slice) for part in rest)
    help = f"write `{text}`" if is_plain else "add the axis with `unsqueeze`"
    edits = (replacement(expr.span, text),) if is_plain else ()
    message = f"`{at.text}` in an index does not add an axis"
    scope.fail("E0402", message, at, help=help, fixes=edits)
