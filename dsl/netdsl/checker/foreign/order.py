"""Whether the arguments of a name that both have are in the words and the order of another framework."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl import syntax as s
from netdsl.arrivals.table import Foreign
from netdsl.arrivals.translate import text_of
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Tensor
from netdsl.checker.foreign.names import number_of, parameters
from netdsl.dims import dim
from netdsl.ops.contract.base import REGISTRY


def is_theirs(
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
    numbers = [number_of(scope, a.value) for a in arguments if a.name is None]
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


def fits(foreign: Foreign, given: object) -> bool:
    assert isinstance(given, dict)
    return all(name in foreign.params or name in foreign.inferred or name == "activation" for name in given)


def as_ours(name: str, foreign: Foreign, given: object, arguments: Sequence[s.Argument]) -> dict[str, str]:
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
