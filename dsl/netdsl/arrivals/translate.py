"""From the call of another framework to ours, as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from netdsl import syntax as s
from netdsl.arrivals.table import ACTIVATIONS, NEUTRAL, Foreign
from netdsl.immutable import immutable

_PIECE = re.compile(r"(?:(\w+)=)?(\*?\w+)")
_INFERRED = {
    **dict.fromkeys(("in_channels", "num_features", "num_channels"), "channels"),
    **dict.fromkeys(("in_features", "input_size", "embed_dim", "d_model", "normalized_shape"), "features"),
}
LOST = {
    "reduction": "`reduction` has no counterpart: a loss is a mean over the batch",
    "dropout": "`dropout` has no counterpart: put `Dropout(..)` after it",
    "data_format": "images are [B, channels, H, W] here",
    "batch_first": "the batch always comes first: transpose the input",
    "transB": "`linear` takes a weight [in, out]: `transpose` one that is [out, in]",
    "padding_idx": "`padding_idx` has no counterpart: mask the padding where it is used",
}
"""What to say about arguments that are left out."""
WRAPPERS = ("TimeDistributed", "Bidirectional", "Lambda")
"""Layers of Keras around another one."""
_WORDS = {"True": "true", "False": "false", "None": "none"}


@immutable
class Saying:
    """Our text for a call, and notes: what was left out and why."""

    text: str
    notes: tuple[str, ...] = ()
    source: str = "PyTorch"
    is_exact: bool = True
    """Whether it means the same; not if an argument is left out that changes the result."""


def arguments_of(foreign: Foreign, arguments: Sequence[s.Argument], piped: bool) -> Mapping[str, str] | None:
    """The arguments by their parameter; None if the call does not fit the signature."""
    order = [p for p in foreign.params if not (piped and p.startswith("*"))]
    given: dict[str, str] = {}
    position = 0
    if order[:1] == ["*xs"] and sum(a.name is None for a in arguments) > 1:
        given["*xs"] = ", ".join(text_of(a.value) for a in arguments if a.name is None)
        arguments = [a for a in arguments if a.name is not None]
    for argument in arguments:
        if argument.name is not None:
            given[argument.name.text] = text_of(argument.value)
        elif position < len(order):
            given[order[position]] = text_of(argument.value)
            position += 1
        else:
            return None
    return given


def text_of(value: s.Expr) -> str:
    """An argument as written, with the words of Python as ours."""
    if isinstance(value, s.Name):
        return _WORDS.get(value.text, value.text)
    if isinstance(value, s.ListExpr) and value.span.text.startswith("("):  # a tuple, which has been reported
        return f"[{value.span.text[1:-1].rstrip().removesuffix(',')}]"
    return value.span.text


def unwrapped(name: str, arguments: Sequence[s.Argument]) -> Saying | None:
    """`TimeDistributed(Linear(10))`, `Bidirectional(LSTM(32))`, `Lambda(Act)`: the layer inside."""
    values = [text_of(a.value) for a in arguments if a.name is None]
    if len(values) != 1 or not values[0][:1].isalpha():
        return None
    layer = values[0].removeprefix("scan ")
    if name != "Bidirectional":
        return Saying(layer, (), "Keras")
    return Saying(f"Recurrent({layer}, bidirectional=true)", (), "Keras")


def saying(foreign: Foreign, given: Mapping[str, str]) -> Saying:
    """The call in our words."""
    values = _adapted(foreign, {**dict(foreign.defaults), **given})
    function, _, rest = foreign.says.partition("(")
    used, parts = set[str](), []
    for ours, theirs in _PIECE.findall(rest.rstrip(")")):
        used.add(theirs)
        if theirs in values:
            text = values[theirs]
            if theirs == "*xs" and text.startswith("["):
                text = text[1:-1]
            parts.append(f"{ours}={text}" if ours else text)
    text = f"{function}({', '.join(parts)})" if parts else function
    activation = given.get("activation", "").strip("\"'")
    source = foreign.source
    if activation and _follows(foreign):
        used.add("activation")
        source = "Keras"
        name = ACTIVATIONS.get(activation.replace("_", ""), activation)
        text = name if function == "activation" else text if activation == "linear" else f"{text} -> {name}"
    lost = [name for name, value in given.items() if name not in used and _matters(foreign, name, value)]
    notes = [*_notes(given, used), *(LOST.get(name, f"`{name}` has no counterpart") for name in lost)]
    return Saying(text, tuple(notes), source, is_exact=not lost)


def _follows(foreign: Foreign) -> bool:
    """Whether an activation given as an argument, as in Keras, is a stage of its own here."""
    is_own = "act=activation" in foreign.says
    return not is_own and "activation" not in foreign.inferred and foreign.source in ("Keras", "PyTorch")


def _adapted(foreign: Foreign, given: Mapping[str, str]) -> dict[str, str]:
    """Arguments whose values mean something else there."""
    values = {word: text for word, text in given.items() if text != "none" or "weight" not in word}
    padding = values.get("padding", "").strip("\"'").lower()
    window = values.get("kernel_size", values.get("pool_size", ""))
    if padding == "valid":
        del values["padding"]
    if padding == "same":
        sizes = re.findall(r"\d+", window)
        pads = [str(int(n) // 2) for n in sizes]
        values["padding"] = (
            pads[0] if len(set(pads)) == 1 else f"[{', '.join(pads)}]" if pads else f"{window} // 2"
        )
    if foreign.source == "Keras" and "BatchNorm" in foreign.says and "momentum" in values:
        values["momentum"] = (
            f"{1 - float(values['momentum']):.6g}" if is_number_text(values["momentum"]) else "0.01"
        )
    if (
        foreign.says.startswith("AvgPool")
        and values.get("padding", "0") != "0"
        and foreign.source == "PyTorch"
    ):
        values.setdefault("count_include_pad", "true")
    if "act=activation" in foreign.says and "activation" in values:
        activation = values["activation"].strip("\"'")
        values["activation"] = ACTIVATIONS.get(activation.replace("_", "").lower(), activation)
    if foreign.says.startswith("flatten") and values.get("start_dim") == "1":
        del values["start_dim"]
    for name in ("stride", "strides", "padding", "kernel_size", "pool_size", "dilation"):
        sizes = re.findall(r"\d+", values.get(name, ""))
        if values.get(name, "").startswith("[") and len(set(sizes)) == 1:
            values[name] = sizes[0]
    return values


def is_number_text(text: str) -> bool:
    """Whether a text is a number as it is written in a program."""
    return re.fullmatch(r"\d+(\.\d*)?(e-?\d+)?", text) is not None


def _matters(foreign: Foreign, name: str, text: str) -> bool:
    """Whether leaving an argument out changes what is computed."""
    value = text.strip("\"'").lower()
    if name in NEUTRAL:
        return value not in NEUTRAL[name]
    return name not in foreign.inferred


def _notes(given: Mapping[str, str], used: set[str]) -> list[str]:
    notes = []
    for name, text in given.items():
        if name in used:
            continue
        if name in _INFERRED:
            shown = text if text.isdigit() else f"`{text}`"
            inferred = f"{_INFERRED[name]} of the input are"
            if text == "1":
                inferred = f"{_INFERRED[name].removesuffix('s')} of the input is"
            notes.append(f"the {shown} {inferred} inferred")
        elif name == "batch_first":
            notes.append("the batch always comes first")
    return notes
