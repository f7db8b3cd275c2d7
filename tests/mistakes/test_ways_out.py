"""What the messages offer, applied to the text: after a few rounds the file is right."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from netdsl.checker import check
from netdsl.diagnostics import Diagnostic, NetError
from netdsl.edits import apply_edits
from netdsl.modules import load_module
from netdsl.source import Source
from netruntime.cli.app import cli

HERE = Path(__file__).parent
ROUNDS = 4
OPEN = {
    "238-split-uneven": "the sizes of the parts can be anything",
    "259-momentum-range": "only the range is known",
    "302-if-colon": "the lines after it must use the new name",
    "314-sequential-list": "the stages belong where the name is used",
    "324-train-torch-optim": "the loss belongs in another line",
    "325-schedule-args": "the last rate is a fraction here",
    "338-tf-names": "`w` and `b` are not in the file",
    "340-torch-functional-chain": "the stages must be taken apart",
    "40-py-def-self": "the lines of the class are still there",
    "405-no-inputs": "the shape of the input is not in the file",
    "420-mask-argument": "whether true means that a key counts is not in the file",
    "422-attention-layer": "the layer may be written in two ways",
    "52-py-if-statement": "the lines after it must use the new name",
    "666-attn-mask-causal": "the mask may not be needed",
    "673-tf1-placeholder": "the weight belongs in a block, with a shape and an initialiser",
    "675-keras-model-class": "the shape of the input is not in the text",
    "677-flax-compact": "the shape of the input is not in the class",
    "678-jax-fn": "`params` is not in the file",
    "687-increment": "the lines after it must use the new name",
    "707-freeze-pattern": "any weights could be meant",
    "741-duplicate-names": "either could have the name",
    "742-version": "the program is too old",
    "782-onnx-gemm": "`w` and `b` are not in the file",
    "788-generate-section": "its settings belong in a command",
    "789-data-section": "its settings belong in a command and in `train`",
    "790-import-python-file": "the blocks are written in Python",
    "792-too-many-outputs": "either number of outputs may be meant",
    "801-mask-of-unknown": "`padding_of` is not in the file",
    "851-torch-causal-mask": "what the mask is for is in another line",
    "856-unreadable-header": "a name and inputs are missing",
    "815-python-class-conv": "the sizes of the image are not in the class",
    "884-elif": "the value for all other cases is not in the file",
    "906-tensor-conditions": "the lines after it must use the new name",
    "85-import-missing": "the file is not there",
    "915-number-of-class-weights": "the weight of a class can be anything",
}
"""Cases without an edit, and why."""
CASES = sorted(path.parent for path in HERE.glob("*/cmd") if path.read_text().strip() == "netrun check m.net")


def errors(folder: Path) -> Sequence[Diagnostic]:
    try:
        check(load_module(Source("m.net", (folder / "m.net").read_text()), folder))
    except NetError as wrong:
        return wrong.diagnostics
    return ()


def edit(folder: Path, found: Sequence[Diagnostic]) -> None:
    """Apply what the messages offer to the files they are about."""
    edits = [edit for one in found for edit in one.fixes]
    for source in dict.fromkeys(edit.span.source for edit in edits):
        own = [edit for edit in edits if edit.span.source is source]
        (folder / source.name).write_text(apply_edits(source, own))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_the_offered_edits_make_the_file_right(case: Path, tmp_path: Path) -> None:
    folder = tmp_path / case.name
    shutil.copytree(case, folder)
    found = errors(folder)
    assert found, "the case has no mistake"
    if case.name in OPEN:
        assert not all(one.fixes for one in found), "an edit is offered; remove the case from the list"
        return
    for _ in range(ROUNDS):
        if not found:
            break
        edit(folder, found)
        found = errors(folder)
    text = (folder / "m.net").read_text()
    assert not found, f"after the edits:\n{text}\n{NetError(found)}"


OFFERED = {
    "125-too-big-activation": ("--size H=80 --size W=160", "run m.net --input random --size B=2"),
    "619-train-lr": (
        "optimizer.lr=0.1",
        "train m.net --data ../data/d20.npz --epochs 1 --no-save --plain --train",
    ),
    "621-memory-size": ("--size H=781 --size W=1562", "run m.net --input random --size B=1"),
    "734-subcommand": ("netrun check m.net", ""),
}
"""What the message of a command line offers, and the command that it completes."""


@pytest.mark.parametrize("name", OFFERED)
def test_the_offered_command_line_works(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer, before = OFFERED[name]
    shutil.copytree(HERE / name, tmp_path / name)
    (tmp_path / "data").symlink_to(HERE / "data")
    monkeypatch.chdir(tmp_path / name)
    assert offer in (HERE / name / "expected.txt").read_text()
    words = [*before.split(), *offer.removeprefix("netrun ").split()]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
