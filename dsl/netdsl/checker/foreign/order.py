"""Whether the arguments of a name that both have are in the words and the order of another framework."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from netdsl import syntax as s
from netdsl.arrivals.table import Foreign
from netdsl.arrivals.translate import arguments_of, text_of
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Tensor
from netdsl.checker.foreign.names import number_of, parameters
from netdsl.dims import dim
from netdsl.ops.contract.base import REGISTRY

_PIECE = re.compile(r"(?:(\w+)=)?(\*?\w+)")
_NORMS = ("LayerNorm", "BatchNorm", "RMSNorm", "InstanceNorm")
_ATTENTION = ("MultiHeadAttention", "EncoderLayer", "DecoderLayer")
_LARGEST_WINDOW = 11
"""A second number above it counts channels, in the order of PyTorch: windows are smaller."""


def read_as_theirs(
    scope: Scope,
    name: str,
    signatures: Iterable[Foreign],
    arguments: Sequence[s.Argument],
    piped: Sequence[Tensor],
) -> tuple[Foreign, Mapping[str, str]] | None:
    """The signature that a call of one of our names follows, and its arguments; None for a call of ours.

    With keywords of theirs, numbers by position are in their order if that is complete and fits the input,
    and otherwise in ours: in `Conv(16, 5, padding=2)` only the keyword is theirs.
    """
    ours = set(parameters(name)) | ({"x"} if name in REGISTRY else set())
    unknown = [a for a in arguments if a.name is not None and a.name.text not in ours]
    if unknown and name == "MultiHeadAttention":
        arguments = _features_first(scope, arguments, piped)
    known = [f for f in signatures if all(_takes(f, a) for a in (unknown or arguments))]
    for foreign in known:
        given = arguments_of(foreign, arguments, bool(piped))
        if given is None:
            continue
        if (
            unknown
            and not set(given) & ours - set(foreign.params)
            and _is_their_order(scope, name, foreign, arguments, piped)
        ):
            return foreign, given
        if not unknown and _by_position(scope, name, foreign, arguments, piped):
            return foreign, given
    return _in_our_order(name, known[0], arguments) if unknown and known else None


def _features_first(
    scope: Scope, arguments: Sequence[s.Argument], piped: Sequence[Tensor]
) -> Sequence[s.Argument]:
    """`(4, 16, batch_first=True)` for 16 features: exchanged, as 4 heads have no 16 of keys."""
    numbers = [number_of(scope, a.value) for a in arguments[:2] if a.name is None]
    if len(numbers) < 2 or numbers[0] is None or numbers[1] is None or numbers[0] >= numbers[1]:
        return arguments
    is_features = bool(piped) and piped[0].type.shape[-1:] == (dim(int(numbers[1])),)
    return [arguments[1], arguments[0], *arguments[2:]] if is_features else arguments


def _takes(foreign: Foreign, argument: s.Argument) -> bool:
    """Whether a function of theirs has an argument of the name, and takes such a value."""
    if argument.name is None:
        return True
    word = argument.name.text
    if foreign.source == "Keras" and word == "padding":
        return isinstance(argument.value, (s.Text, s.Name))
    return word in {p.lstrip("*") for p in foreign.params} | foreign.inferred | {"activation"}


def _is_their_order(
    scope: Scope, name: str, foreign: Foreign, arguments: Sequence[s.Argument], piped: Sequence[Tensor]
) -> bool:
    """Whether the arguments by position, beside keywords of theirs, can be meant in their order."""
    values = [a.value for a in arguments if a.name is None]
    numbers = [number_of(scope, value) for value in values]
    given = arguments_of(foreign, arguments, bool(piped)) or {}
    if not is_complete(foreign, given):
        return False
    if foreign.source == "Flax" and name == "Conv":
        return len(values) < 2 or isinstance(values[1], s.ListExpr)  # the window is a tuple there
    if foreign.source != "PyTorch" or not numbers or numbers[0] is None:
        return True
    if name in ("Conv", "ConvTranspose"):
        return _are_channels_first(numbers, piped)
    if name in _ATTENTION:
        features = piped[0].type.shape[-1:] if piped else ()
        heads = [n for n in (numbers[1] if len(numbers) > 1 else None,) if n is not None]
        return all(n < numbers[0] for n in heads) and features in ((), (dim(int(numbers[0])),))
    return name not in _NORMS or numbers[0] >= 1


def _are_channels_first(numbers: Sequence[float | None], piped: Sequence[Tensor]) -> bool:
    """Whether a convolution is given the channels of its input, which the layer infers here."""
    first, second = (*numbers, None)[:2]
    shape = piped[0].type.shape if piped else ()
    if len(shape) < 2 or not shape[1].is_fixed or first == int(shape[1]):
        return True
    return second is not None and second > _LARGEST_WINDOW


def _by_position(
    scope: Scope, name: str, foreign: Foreign, arguments: Sequence[s.Argument], piped: Sequence[Tensor]
) -> bool:
    """Whether numbers by position, without keywords, can only be meant in their order."""
    numbers = [number_of(scope, a.value) for a in arguments if a.name is None]
    if foreign.source == "Keras" and name == "MultiHeadAttention":
        heads, size = (*numbers, None, None)[:2]
        return heads is not None and size is not None and heads < size  # there are no more heads of keys
    if foreign.source != "PyTorch" or any(a.name is not None for a in arguments[:1]):
        return False
    if name in ("Linear", "LSTM", "GRU", "RNN"):
        return len(numbers) > 1 and all(n is not None for n in numbers[:2])
    if name in _NORMS:
        return bool(numbers) and numbers[0] is not None and numbers[0] >= 1
    if name == "GroupNorm":
        return len(numbers) > 1 and numbers[1] is not None and numbers[1] >= 1
    if name in _ATTENTION and len(numbers) > 1 and piped:
        features = piped[0].type.shape[-1:]
        first, second = numbers[:2]
        return first is not None and second is not None and features == (dim(int(first)),) and first > second
    return False


def is_complete(foreign: Foreign, given: Mapping[str, str]) -> bool:
    """Whether nothing is missing that our call needs."""
    needed = [theirs for word, theirs in _pieces(foreign) if not word and not theirs.startswith("*")]
    return all(word in given or word in dict(foreign.defaults) for word in needed)


def fits(foreign: Foreign, given: Mapping[str, str]) -> bool:
    """Whether a function of theirs has all arguments."""
    return all(name in foreign.params or name in foreign.inferred or name == "activation" for name in given)


def _in_our_order(
    name: str, foreign: Foreign, arguments: Sequence[s.Argument]
) -> tuple[Foreign, Mapping[str, str]] | None:
    """The arguments under their words, and the signature with those of ours that it lacks."""
    ours = parameters(name)
    pieces = _pieces(foreign)
    theirs = {word or ours[n]: their for n, (word, their) in enumerate(pieces) if word or n < len(ours)}
    given: dict[str, str] = {}
    extra: list[str] = []
    order = iter(ours)
    for argument in arguments:
        word = argument.name.text if argument.name is not None else next(order, "")
        if not word:
            return None
        if word in ours and word not in theirs:
            extra.append(word)
        given[theirs.get(word, word)] = text_of(argument.value)
    start = foreign.says.removesuffix(")")
    added = [f"{word}={word}" for word in extra]
    separator = ", " if pieces else ""
    says = f"{start}{separator}{', '.join(added)})" if added else foreign.says
    return replace(foreign, says=says, defaults=()), given


def _pieces(foreign: Foreign) -> list[tuple[str, str]]:
    return _PIECE.findall(foreign.says.partition("(")[2].rstrip(")"))
