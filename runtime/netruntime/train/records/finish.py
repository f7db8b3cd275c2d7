"""Writes the files at the end of a run: its last weights, the curves and the card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netruntime.files.run_folder import LAST
from netruntime.train.checkpoint import save_weights
from netruntime.train.checkpoint.writing import write_text, writing
from netruntime.train.logs.jsonl import read_log
from netruntime.train.records.card import card_text
from netruntime.train.records.curves import write_curves
from netruntime.train.records.facts import Provenance, facts_of
from netruntime.train.run import CARD, CURVES, Run


def finish(run: Run, provenance: Provenance) -> None:
    """Write the last weights, the curves and the card of a run.

    Without a folder, nothing is written; without a completed epoch, only the weights.

    Raises:
        TrainingError: E1052, E1055 if a file cannot be written.
        DataInputError: the data can no longer be read.
    """
    out = run.request.out
    if out is None or run.log is None:
        return
    save_weights(out / LAST, run.trainer.host_weights(), run.metadata)
    if run.loop.has_ended_an_epoch:
        write_records(run, run.log.path, provenance)


def write_records(run: Run, log: Path, provenance: Provenance) -> Sequence[Path]:
    """Write `curves.svg`, `curves.png` if matplotlib is installed, and `card.md` beside the log.

    Returns:
        The files written.
    """
    title = ", ".join(run.checked.models)
    written = write_curves(log, log.with_name(CURVES), title)
    card = log.with_name(CARD)
    with writing(card, 0):
        facts = facts_of(run, read_log(log), run.weights_file(log.parent), provenance)
    write_text(card, card_text(facts))
    return (*written, card)
