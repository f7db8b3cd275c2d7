"""The model card of a run, as Markdown: model, data, settings and results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from netdsl.immutable import immutable
from netruntime.train.progress.figures import duration, figure

Figures = Mapping[str, Mapping[str, Any]]
"""Figures by phase and name: numbers, None, and tables as lists of lists."""
LARGEST_TABLE = 25
"""The maximum number of classes of a confusion matrix in the card; `netrun eval` prints larger ones."""


@immutable
class DataFacts:
    """One of the data sets of a run.

    Attributes:
        role: `training` or `validation`.
        sources: The paths of the data.
        rows: The number of rows.
        fingerprint: A checksum of the model's inputs; see `fingerprints.data_fingerprint`.
    """

    role: str
    sources: tuple[str, ...]
    rows: int
    fingerprint: str


@immutable
class CardFacts:
    """The contents of a card.

    Attributes:
        model: The model's name.
        file, file_sha256: The `.net` file and its checksum.
        weights, weights_sha256: The file of the weights to use, and its checksum.
        parameters, arrays: The number of parameters, and of the arrays that hold them.
        config: The values of the file's `config`.
        data: The data sets.
        split: A sentence on how validation data were held out; empty if they were separate.
        notes: Notes on how the data and the weights were made to fit.
        sections: The text of the file's `train` sections.
        overrides: Replacements of their lines on the command line.
        settings: Epochs, batch size, seed and so on.
        command: The command line.
        device: The device of the run.
        versions: Versions of Python and the libraries, by name.
        steps, epochs: Completed updates and epochs.
        seconds: Their duration.
        monitor: The figure that selects the best epoch.
        best_epoch: The best epoch, from 0; None if there is none.
        train, valid: The figures of the last epoch.
        best: The figures of the best epoch, on the data that select it.
        classes: The names of the classes, for confusion matrices.
        use: Commands or calls that use the weights.
        language: The language of these and of the command: `sh` or `python`.
    """

    model: str
    file: str
    file_sha256: str
    weights: str
    weights_sha256: str
    parameters: int
    arrays: int
    data: tuple[DataFacts, ...]
    sections: tuple[str, ...]
    settings: Mapping[str, Any]
    command: str
    device: str
    versions: Mapping[str, str]
    steps: int
    epochs: int
    seconds: float
    config: Mapping[str, Any] = field(default_factory=dict)
    split: str = ""
    notes: tuple[str, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    monitor: str = "loss"
    best_epoch: int | None = None
    train: Figures = field(default_factory=dict)
    valid: Figures = field(default_factory=dict)
    best: Figures = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    use: tuple[str, ...] = ()
    language: str = "sh"


def card_text(facts: CardFacts) -> str:
    """The card as Markdown."""
    parts = [
        [f"# {facts.model}", "", "A model card, written by `netrun train`."],
        _model(facts),
        _data(facts),
        _training(facts),
        _figures(facts),
        *_confusions(facts),
        ["## Use", "", *_code("\n".join(facts.use), facts.language)] if facts.use else [],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _model(facts: CardFacts) -> list[str]:
    lines = [
        f"- File: {_quoted(facts.file)}, SHA-256 `{facts.file_sha256}`",
        f"- Weights: {_quoted(facts.weights)}, SHA-256 `{facts.weights_sha256}`",
        f"- Parameters: {facts.parameters:,} in {facts.arrays:,} arrays",
    ]
    if facts.config:
        lines.append(f"- Config: {_assignments(facts.config)}")
    return ["## Model", "", *lines]


def _data(facts: CardFacts) -> list[str]:
    rows = [
        (d.role, ", ".join(map(_quoted, d.sources)), f"{d.rows:,}", f"`{d.fingerprint}`") for d in facts.data
    ]
    lines = ["## Data", "", *_table(("used for", "from", "rows", "fingerprint"), rows, left=2)]
    lines += ["", facts.split] if facts.split else []
    return lines + (["", *(f"- {_cell(note)}" for note in facts.notes)] if facts.notes else [])


def _training(facts: CardFacts) -> list[str]:
    lines = ["## Training", "", *_code("\n\n".join(facts.sections)), ""]
    if facts.overrides:
        lines += [f"Overridden: {_assignments(facts.overrides)}.", ""]
    lines += [
        f"- Settings: {_assignments({k: v for k, v in facts.settings.items() if v is not None})}",
        f"- Length: {facts.steps:,} updates over {facts.epochs:,} epochs, in {duration(facts.seconds)}",
        f"- Device: {facts.device}",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in facts.versions.items())}",
        "- Command:",
        "",
        *_code(facts.command, facts.language),
    ]
    return lines


def _figures(facts: CardFacts) -> list[str]:
    columns = {"training, last epoch": facts.train, "validation, last epoch": facts.valid}
    if facts.best_epoch is not None:
        columns[f"best epoch ({facts.best_epoch + 1}) by {facts.monitor}"] = facts.best
    columns = {name: figures for name, figures in columns.items() if figures}
    names = dict.fromkeys(
        (phase, name)
        for figures in columns.values()
        for phase, measured in figures.items()
        for name, value in measured.items()
        if not isinstance(value, list)
    )
    if not names:
        return []
    rows = [
        (
            f"{phase}: {name}" if phase else name,
            *(_number(f.get(phase, {}).get(name)) for f in columns.values()),
        )
        for phase, name in names
    ]
    return ["## Figures", "", *_table(("", *columns), rows)]


def _confusions(facts: CardFacts) -> Iterator[list[str]]:
    for phase, measured in (facts.best or facts.valid or facts.train).items():
        for name, value in measured.items():
            if isinstance(value, list) and 0 < len(value) <= LARGEST_TABLE and isinstance(value[0], list):
                labels = facts.classes if len(facts.classes) == len(value) else range(len(value))
                head = f"{phase}: {name}" if phase else name
                rows = [
                    (str(label), *(f"{count:g}" for count in row))
                    for label, row in zip(labels, value, strict=True)
                ]
                legend = "Rows are labels, columns are predictions."
                yield [f"## {head}", "", legend, "", *_table(("", *map(str, labels)), rows)]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """A table whose first `left` columns are left-aligned, and the others right-aligned."""
    rule = ["---" if n < left else "---:" for n in range(len(heads))]
    return [f"| {' | '.join(map(_cell, row))} |" for row in (heads, rule, *rows)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _number(value: float | None) -> str:
    return "–" if value is None else figure(value)


def _quoted(text: str) -> str:
    """Any text as inline code of Markdown."""
    text = " ".join(text.split())
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _assignments(values: Mapping[str, Any]) -> str:
    return ", ".join(_quoted(f"{name}={_value(value)}") for name, value in values.items())


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _code(text: str, language: str = "") -> list[str]:
    fence = "```"
    while fence in text:
        fence += "`"
    return [f"{fence}{language}", text, fence]
