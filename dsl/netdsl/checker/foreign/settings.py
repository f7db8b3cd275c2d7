"""Settings of other frameworks on our own layers: what is a stage, or another layer, here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from netdsl import syntax as s
from netdsl.arrivals.translate import Saying, text_of
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Tensor
from netdsl.checker.foreign.names import parameters
from netdsl.immutable import immutable
from netdsl.source import Span
from netdsl.synonyms import SYNONYMS

CELLS = ("LSTM", "GRU", "RNN", "SimpleRNN")
_LAYERS = ("layers", "num_layers", "n_layers")
_SIZES = ("hidden_size", "units", "size")
_TRAINING = ("train", "training", "is_training", "deterministic")
_TEMPERATURES = ("temperature", "temp", "T", "tau")
_MASKS = ("mask", "attn_mask", "attention_mask", "src_mask", "tgt_mask")
_MODES = ("is_causal", "use_causal_mask", "causal_mask")


@immutable
class Correction:
    """What is wrong at a place of a call of one of our names, and the call to write."""

    message: str
    said: Saying
    at: Span


@immutable
class Use:
    """A call of one of our names: its arguments, and what is piped into it."""

    scope: Scope
    name: str
    arguments: Sequence[s.Argument]
    piped: Sequence[Tensor]

    def one_of(self, words: Sequence[str]) -> s.Argument | None:
        """The argument with one of these names that ours does not have."""
        ours = parameters(self.name)
        named = [a for a in self.arguments if a.name is not None and a.name.text in words]
        return next((a for a in named if a.name is not None and a.name.text not in ours), None)

    def without(self, *left_out: s.Argument | None) -> list[str]:
        """The other arguments as written."""
        return [
            text_of(a.value) if a.name is None else f"{a.name.text}={text_of(a.value)}"
            for a in self.arguments
            if a not in left_out
        ]


def corrected(
    scope: Scope, name: str, arguments: Sequence[s.Argument], piped: Sequence[Tensor]
) -> Correction | None:
    """The correction of a call of one of our names; None for any other call."""
    use = Use(scope, name, arguments, piped)
    return next((reading for read in _READINGS if (reading := read(use)) is not None), None)


_LOST_DROPOUT = ("with `Dropout(..)` after it, as `dropout` has no counterpart",)


def _layers_of_a_cell(use: Use) -> Correction | None:
    """`LSTM(32, layers=2)`: one cell, where `Recurrent` has the layers."""
    return recurrent(use, ("layers", "n_layers"))


def recurrent(use: Use, words: Sequence[str] = (*_LAYERS, "bidirectional")) -> Correction | None:
    """A cell with settings of several layers, as the block that has them; None without one of the words."""
    wrong = use.one_of(words)
    if use.name not in CELLS or wrong is None or wrong.name is None:
        return None
    layers, both = use.one_of(_LAYERS), use.one_of(("bidirectional",))
    dropout, size = use.one_of(("dropout",)), use.one_of(_SIZES)
    rest = use.without(layers, both, dropout, size, use.one_of(("batch_first",)))
    inner = ", ".join([*([text_of(size.value)] if size is not None else ()), *rest])
    parts = [f"{use.name}({inner})"]
    parts += [f"layers={text_of(layers.value)}"] if layers is not None else []
    parts += [f"bidirectional={text_of(both.value)}"] if both is not None else []
    notes = _LOST_DROPOUT if dropout is not None else ()
    said = Saying(f"Recurrent({', '.join(parts)})", notes, is_exact=dropout is None)
    return Correction(f"`{use.name}` has no argument `{wrong.name}`", said, wrong.name.span)


def _cell_without_a_size(use: Use) -> Correction | None:
    """`Recurrent(LSTM, 32, layers=2)`: the size belongs to the cell."""
    first = use.arguments[0] if use.name == "Recurrent" and use.arguments else None
    if first is None or first.name is not None or text_of(first.value) not in CELLS:
        return None
    cell, layers = text_of(first.value), use.one_of(_LAYERS)
    sizes = [a for a in use.arguments[1:] if a.name is None]
    size = use.one_of(("hidden", *_SIZES)) or next(iter(sizes), None)
    dropout = use.one_of(("dropout",))
    rest = use.without(first, size, layers, dropout, use.one_of(("batch_first",)))
    if layers is not None:
        rest.append(f"layers={text_of(layers.value)}")
    width = text_of(size.value) if size is not None else "32"
    notes: tuple[str, ...] = () if size is not None else ("where 32 is the size of its state",)
    notes += _LOST_DROPOUT if dropout is not None else ()
    text = f"Recurrent({', '.join([f'{cell}({width})', *rest])})"
    said = Saying(text, notes, is_exact=size is not None and dropout is None)
    return Correction(f"`Recurrent` needs the size of `{cell}`", said, first.span)


def _mode_of_dropout(use: Use) -> Correction | None:
    """`dropout(0.1, train=true)`: whether a network is trained is not an argument."""
    mode = use.one_of(_TRAINING)
    if use.name not in ("dropout", "Dropout") or mode is None or mode.name is None:
        return None
    tensors, rest = list[str](), use.without(mode)
    if not use.piped and use.name == "dropout":
        tensors, rest = rest[:1], rest[1:]
    text = f"Dropout({', '.join(rest)})" if rest else "Dropout"
    text = f"{text}({tensors[0]})" if tensors and rest else f"Dropout()({tensors[0]})" if tensors else text
    notes = ("it is active only during training",)
    is_on = text_of(mode.value) == ("false" if mode.name.text == "deterministic" else "true")
    said = Saying(text, notes, is_exact=is_on)
    return Correction(f"`{use.name}` has no argument `{mode.name}`", said, mode.name.span)


def _temperature(use: Use) -> Correction | None:
    """`softmax(temperature=2)`: a division before it."""
    by = use.one_of(_TEMPERATURES)
    if use.name not in ("softmax", "log_softmax") or by is None or by.name is None:
        return None
    value, rest = text_of(by.value), use.without(by)
    value = value if isinstance(by.value, (s.Number, s.Name)) else f"({value})"
    if use.piped:
        stage = f"{use.name}({', '.join(rest)})" if rest else use.name
        text = f"divide({value}) -> {stage}"
    else:
        tensors = [a for a in use.arguments if a.name is None]
        if not tensors:
            return None
        first = text_of(tensors[0].value)
        first = first if isinstance(tensors[0].value, (s.Name, s.Call)) else f"({first})"
        others = use.without(by, tensors[0])
        text = f"{use.name}({', '.join([f'{first} / {value}', *others])})"
    return Correction(f"`{use.name}` has no argument `{by.name}`", Saying(text), by.name.span)


def _causal_mask(use: Use) -> Correction | None:
    """`EncoderLayer(4, 32, mask=causal)` and `is_causal=True`: a setting, which makes the mask."""
    mode, mask = use.one_of(_MODES), use.one_of(_MASKS)
    if mask is not None and use.name == "DecoderLayer" and _is_causal(use.scope, mask):
        message = "`DecoderLayer` is causal without a mask"
        return Correction(message, Saying(f"{use.name}({', '.join(use.without(mask))})"), mask.span)
    if "causal" not in parameters(use.name):
        return None
    if mask is not None and _is_causal(use.scope, mask):
        text = f"{use.name}({', '.join([*use.without(mask), 'causal=true'])})"
        return Correction(f"a causal mask is a setting of `{use.name}`, `causal`", Saying(text), mask.span)
    if mode is None or mode.name is None or SYNONYMS.get(text_of(mode.value)) is None:
        return None
    text = f"{use.name}({', '.join([*use.without(mode), f'causal={text_of(mode.value)}'])})"
    return Correction(f"`{mode.name}` of `{use.name}` is called `causal` here", Saying(text), mode.name.span)


def _is_causal(scope: Scope, mask: s.Argument) -> bool:
    """Whether a mask is the word `causal`, or a call that makes such a mask."""
    word = mask.value.span.text.strip("\"'").partition("(")[0].rpartition(".")[2]
    return word in ("causal", "causal_mask") and word not in scope.names


def applied_with_mask(scope: Scope, name: str, call: s.Call) -> Correction | None:
    """`EncoderLayer(4, 32)(mask=causal)`: the setting is in the first parentheses."""
    mask = Use(scope, name, call.arguments, ()).one_of(_MASKS)
    if mask is None or mask.name is None or not isinstance(call.function, s.Call):
        return None
    inner = replace(call.function, arguments=(*call.function.arguments, mask))
    right = _causal_mask(Use(scope, name, inner.arguments, ()))
    if right is None:
        return None
    rest = ", ".join(Use(scope, name, call.arguments, ()).without(mask))
    return replace(right, said=replace(right.said, text=right.said.text + (f"({rest})" if rest else "")))


_READINGS: tuple[Callable[[Use], Correction | None], ...] = (
    _layers_of_a_cell,
    _cell_without_a_size,
    _mode_of_dropout,
    _temperature,
    _causal_mask,
)
