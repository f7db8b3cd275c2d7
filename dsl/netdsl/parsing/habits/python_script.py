"""Lines of a script in Python beside the items: `model = keras.Sequential([..])`, `model.compile(..)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import Edit, replacement
from netdsl.parsing.habits.extents import complete_line, statement_span
from netdsl.parsing.habits.python_class import input_type_of, output_of, sequential_of
from netdsl.parsing.habits.python_train import TrainLine, lines_of, written
from netdsl.parsing.layout import span_of
from netdsl.parsing.places import Place

_EPOCHS = re.compile(r"\bepochs\s*=\s*(\d+)")
_COMMANDS = {
    "fit": "netrun train FILE --data DATA",
    "train": "netrun train FILE --data DATA",
    "evaluate": "netrun eval FILE --data DATA --weights WEIGHTS",
    "predict": "netrun predict FILE --data DATA --weights WEIGHTS",
    "summary": "netrun show FILE",
    "save": "netrun train FILE --data DATA --out runs/first",
    "load_weights": "netrun eval FILE --data DATA --weights WEIGHTS",
}
"""The command for a method of a network in Keras."""


def sequential_item(place: Place) -> Diagnostic | None:
    """`model = keras.Sequential([..])` beside the items, with the lines `model.add(..)` after it."""
    token, first = place.token, place.tokens[0]
    if token is None or token.type != "EQUAL" or place.index != 1:
        return None
    start = token.end_pos
    after = place.source.text[start:]
    read = sequential_of(after, str(first))
    if read is None:
        return None
    line, end = read
    type_ = input_type_of(after[:end])
    text = f"model Net(x: {type_}){output_of(line, type_)} {{ return x -> {line} }}"
    span = place.source.span(first.start_pos, start + end)
    edits = () if ".." in type_ else (replacement(span, text, is_certain=False),)
    at = span_of(place.source, first).to(span_of(place.source, token))
    message = "a network is declared with `model`, not assigned to a name"
    return Diagnostic("E0107", message, (Label(at),), f"write `{text}`", fixes=edits)


def method_of_network(place: Place) -> Diagnostic | None:
    """`model.compile(optimizer="adam", loss="mse")` and `model.fit(x, y, epochs=5)` beside the items."""
    token, first = place.token, place.tokens[0]
    if token is None or token.type != "DOT" or place.index != 1 or place.following is None:
        return None
    span = statement_span(place, 0)
    method = str(place.following)
    lines, notes = written(lines_of(span.text, place.source.text) if method == "compile" else [])
    at = span_of(place.source, first).to(span_of(place.source, place.following))
    message = f"`{at.text}` does not belong here: a file describes a network"
    message += ", which `netrun` commands train and run"
    if lines:
        label = f"input label: {_label_type(place.source.text, lines)}"
        inner = "".join(f"\n  {line}" for line in (label, *lines))
        help = f"write `train {{ {'; '.join(lines)} }}`, each on a line of its own, after `{label}`{notes}"
        edits = (replacement(span, f"train {{{inner}\n}}", is_certain=False),)
        return Diagnostic("E0107", message, (Label(at),), help, fixes=edits)
    command = _COMMANDS.get(method)
    if command is None:
        return None
    epochs = _EPOCHS.search(span.text)
    command += f" --epochs {epochs[1]}" if epochs is not None and "train" in command else ""
    edits = (replacement(complete_line(span), "", is_certain=False),)
    return Diagnostic("E0107", message, (Label(at),), f"remove it: `{command}` does this", fixes=edits)


_TRAIN = re.compile(r"^train\b[^\n{]*\{", re.MULTILINE)
_ASSIGNED = re.compile(r"^(\w+)[ \t]*=[ \t]*((?:\w+\.)*\w+\(.*\))[ \t]*$", re.MULTILINE)


def part_of_training(place: Place) -> Diagnostic | None:
    """`opt = torch.optim.Adam(..)` and `criterion = nn.CrossEntropyLoss()`, as lines of a `train` section."""
    token, first = place.token, place.tokens[0]
    if token is None or place.index or place.following is None or place.following.type != "EQUAL":
        return None
    text, start = place.source.text, token.start_pos
    parts = [(m, line) for m in _ASSIGNED.finditer(text) if (line := _training_line(m[2], text))]
    own = next((line for m, line in parts if m.start() == start), None)
    if own is None:
        return None
    lines, _ = written(sorted({line for _, line in parts}))
    span = statement_span(place, 0)
    message = f"`{first}` does not belong here: training is described in a `train` section"
    edits: tuple[Edit, ...] = (replacement(complete_line(span), "", is_certain=False),)
    section = _TRAIN.search(text)
    if section is not None:
        at = place.source.span(section.end(), section.end())
        edits = (*edits, replacement(at, f"\n  {own.text}", is_certain=False))
    is_complete = any(line.startswith("loss = ") for line in lines)
    notes = written([own])[1]
    help = f"write `{own.text}` in the `train` section{notes}"
    if section is None and not is_complete:
        help = f"write `{own.text}` in a `train` section, which also has a `loss`{notes}"
    if section is None and is_complete and parts[0][0].start() == start:
        label = f"input label: {_label_type(text, lines)}"
        help = f"write `train {{ {'; '.join([label, *lines])} }}`, each on a line of its own{notes}"
        inner = "".join(f"\n  {line}" for line in (label, *lines))
        edits = (replacement(span, f"train {{{inner}\n}}", is_certain=False),)
    return Diagnostic("E0107", message, (Label(span_of(place.source, token)),), help, fixes=edits)


def _training_line(call: str, text: str) -> TrainLine | None:
    """The line for a call of an optimizer, a schedule or a loss of PyTorch or Keras."""
    name = call.partition("(")[0]
    is_optimizer = re.search(r"\b(?:optim|optimizers)\.\w+$", name) is not None
    for word in ("optimizer",) if is_optimizer else ("loss", "schedule"):
        lines = lines_of(f"m.compile({word}={call})", text)
        if lines:
            return lines[0]
    return None


def _label_type(text: str, lines: Sequence[str]) -> str:
    """The type of the label: classes for the losses of classes, else the type of what the model returns."""
    if any(line.startswith(("loss = cross_entropy", "loss = nll")) for line in lines):
        return "i32[B]"
    output = re.search(r"->\s*\(?\s*\w+\s*:\s*(f\d+\[[^\]]*\])", text)
    return output[1] if output is not None else "f32[B, 1]"


def created_network(place: Place) -> Diagnostic | None:
    """`model = Net()` beside the items."""
    token, first = place.token, place.tokens[0]
    if token is None or token.type != "EQUAL" or place.index != 1:
        return None
    span = statement_span(place, 0)
    if re.fullmatch(r"\w+\s*=\s*[A-Z]\w*\([^\n]*\)(?:\.\w+\([^\n]*\))*", span.text) is None:
        return None
    at = span_of(place.source, first).to(span_of(place.source, token))
    edits = (replacement(complete_line(span), "", is_certain=False),)
    help = "remove the line: a `model` is used as it is"
    return Diagnostic("E0107", "a model is not instantiated in the file", (Label(at),), help, fixes=edits)


SCRIPT_HABITS: tuple[Callable[[Place], Diagnostic | None], ...] = (
    sequential_item,
    method_of_network,
    part_of_training,
    created_network,
)
