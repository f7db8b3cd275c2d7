"""Which input takes the tokens, which output holds the logits, and what the other inputs are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netdsl.diagnostics import error, suggest
from netdsl.dims import Dim, symbol
from netdsl.graph import Graph
from netdsl.immutable import immutable
from netdsl.model import Model
from netdsl.ops.attention.softmax import Softmax
from netdsl.ops.contract.assuming import AT_LEAST, Condition
from netdsl.ops.create.create import Range
from netdsl.ops.index.gather import Gather
from netdsl.ops.sequence.scan import Scan
from netdsl.source import Span
from netdsl.types import DType, TensorType
from netruntime.errors import GenerationError
from netruntime.generation.incremental import SequenceSpec
from netruntime.generation.incremental.requirements import ports_of

USUAL_OUTPUT = "logits"


@immutable
class Roles:
    """The roles of a model's inputs and outputs in generation.

    `keeps` are the keep-masks over the tokens, all true; `given` are the other inputs, such as the source
    of a translation. `limit` is the model's maximum length, or None. `normalised` says that the output holds
    probabilities instead of logits.
    """

    spec: SequenceSpec
    tokens: str
    logits: str
    vocabulary: int
    keeps: tuple[str, ...]
    given: tuple[str, ...]
    limit: int | None
    normalised: bool


def find_roles(model: Model, graph: Graph, tokens: str | None = None, logits: str | None = None) -> Roles:
    """The roles of a model's inputs and outputs.

    The tokens are integers `[B, T]`, where `T` is free. The logits are floats `[B, T, V]` with a fixed `V`,
    or `[B, V]` for only the next token; an output named `logits` is preferred.

    Args:
        tokens, logits: The names, if ambiguous.

    Raises:
        GenerationError: E1100 if the model has no such input or output; E1101 if there are several, or if a
            given name does not fit; E1103 for an input that cannot be filled in.
    """
    inputs, outputs = model.inputs, model.outputs
    _check_name(tokens, inputs, "input", model)
    _check_name(logits, outputs, "output", model)
    pairs = [
        (source, target)
        for source, taken in inputs.items()
        for target, made in outputs.items()
        if _fits(taken, made) and tokens in (None, source) and logits in (None, target)
    ]
    pairs = _preferred(pairs, outputs)
    if not pairs:
        raise _none(model, tokens, logits)
    if len(pairs) > 1:
        raise _several(model, pairs)
    return _roles(model, graph, *pairs[0])


def _check_name(name: str | None, known: Mapping[str, TensorType], what: str, model: Model) -> None:
    if name is not None and name not in known:
        help = suggest(name, known) or f"the {what}s are {', '.join(known)}"
        raise GenerationError.make("E1101", f"`{model.name}` has no {what} `{name}`", help=help)


def _fits(taken: TensorType, made: TensorType) -> bool:
    if not (taken.dtype.is_int and taken.rank == 2 and _is_free(taken.shape[1])):
        return False
    if not (made.dtype.is_float and made.rank in (2, 3) and made.shape[-1].is_fixed):
        return False
    return made.shape[:-1] in (taken.shape, taken.shape[:1])


def _is_free(size: Dim) -> bool:
    return len(size.symbols) == 1 and size == symbol(next(iter(size.symbols)))


def _preferred(pairs: list[tuple[str, str]], outputs: Mapping[str, TensorType]) -> list[tuple[str, str]]:
    """The pairs whose output scores every position, if any; of those, the ones named `logits`, if any."""
    for better in (lambda target: outputs[target].rank == 3, lambda target: target == USUAL_OUTPUT):
        pairs = [pair for pair in pairs if better(pair[1])] or pairs
    return pairs


def _none(model: Model, tokens: str | None, logits: str | None) -> GenerationError:
    inputs = ", ".join(f"{name}: {type_}" for name, type_ in model.inputs.items())
    outputs = ", ".join(f"{name}: {type_}" for name, type_ in model.outputs.items())
    chosen = " ".join(f"`{name}`" for name in (tokens, logits) if name)
    help = "tokens are integers [B, T] with a free T, and logits are floats [B, T, V] with a fixed V"
    message = f"`{model.name}` cannot generate: its inputs are {inputs}, its outputs {outputs}"
    if chosen:
        message = (
            f"`{model.name}` cannot generate with {chosen}: its inputs are {inputs}, its outputs {outputs}"
        )
    return GenerationError(
        error("E1101" if chosen else "E1100", message, _span(model), help=help).diagnostics
    )


def _several(model: Model, pairs: list[tuple[str, str]]) -> GenerationError:
    sources, targets = dict.fromkeys(pair[0] for pair in pairs), dict.fromkeys(pair[1] for pair in pairs)
    if len(sources) > 1:
        message = f"`{model.name}` has several inputs that could be the tokens: {', '.join(sources)}"
        help = "choose one: `--token-input NAME`, or `generate(.., token_input=NAME)`"
    else:
        message = f"`{model.name}` has several outputs that could be the logits: {', '.join(targets)}"
        help = "choose one: `--logits-output NAME`, or `generate(.., logits_output=NAME)`"
    return GenerationError(error("E1101", message, _span(model), help=help).diagnostics)


def _span(model: Model) -> Span | None:
    return model.body.inputs[0].span if model.body.inputs else None


def _roles(model: Model, graph: Graph, tokens: str, logits: str) -> Roles:
    rows, time = model.inputs[tokens].shape
    name = next(iter(time.symbols))
    keeps, given = [], []
    lengths = lengths_over(graph, model, rows, time)
    for slot in model.body.inputs:
        if slot.name == tokens or slot.name in lengths:
            continue
        over_time = any(name in size.symbols for size in slot.type.shape)
        if not over_time:
            given.append(slot.name)
        elif slot.type.dtype is DType.BOOL and slot.type.shape == (rows, time):
            keeps.append(slot.name)
        else:
            message = f"the input `{slot.name}` is {slot.type}, and nothing says what it is at a new token"
            help = f"what comes with each token can be truth values [{rows}, {time}]"
            raise GenerationError(error("E1103", message, slot.span, help=help).diagnostics)
    batch = str(rows) if _is_free(rows) else None
    node = graph.interface.outputs[logits]
    return Roles(
        SequenceSpec(name, (logits,), frozenset(lengths), batch),
        tokens,
        logits,
        model.outputs[logits].shape[-1].value,
        tuple(keeps),
        tuple(given),
        _limit(graph, model, time),
        _is_normalised(graph, node),
    )


def lengths_over(graph: Graph, model: Model, rows: Dim, time: Dim) -> list[str]:
    """The inputs used only as the lengths of sequences `[rows, time, ...]` in scans."""
    found = []
    for name, type_ in model.inputs.items():
        if type_.dtype.is_int and type_.shape == (rows,):
            edges = list(graph.edges_from(graph.interface.inputs[name]))
            if edges and all(_is_length(graph, target, edge.slot, time) for target, edge in edges):
                found.append(name)
    return found


def _is_length(graph: Graph, node: int, slot: int, time: Dim) -> bool:
    op = graph.node(node).op
    if not isinstance(op, Scan) or slot != op.sequences:
        return False
    source, output = ports_of(graph, node)[0]
    return bool(graph.type_of((source, output)).shape[1] == time)


def _limit(graph: Graph, model: Model, time: Dim) -> int | None:
    """The size of the smallest position table, or the length that an assertion allows."""
    bounds = (one.condition for one in model.assumptions if isinstance(one.condition, Condition))
    stated = [c.left.value for c in bounds if c.kind == AT_LEAST and c.right == time and c.left.is_fixed]
    return min([*_table_sizes(graph, time), *stated], default=None)


def _table_sizes(graph: Graph, time: Dim) -> Iterable[int]:
    for node, data in graph.operators():
        if not isinstance(data.op, Gather):
            continue
        (table, output), (indices, _) = ports_of(graph, node).values()
        counted = graph.node(indices).op
        size = graph.type_of((table, output)).shape[data.op.axis]
        if isinstance(counted, Range) and counted.stop == time and counted.start == 0 and size.is_fixed:
            yield size.value


def _is_normalised(graph: Graph, node: int) -> bool:
    """Whether an output is a softmax."""
    return isinstance(graph.node(ports_of(graph, node)[0][0]).op, Softmax)
