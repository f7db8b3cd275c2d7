"""What the messages offer, applied to the text: after a few rounds the file is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from netdsl.checker import check
from netdsl.diagnostics import Diagnostic, NetError
from netdsl.edits import apply_edits
from netdsl.modules import load_module
from netdsl.source import Source

HERE = Path(__file__).parent
ROUNDS = 4
OPEN = {
    "202-reshape-function": "any size could be the wrong one",
    "238-split-uneven": "the sizes of the parts can be anything",
    "259-momentum-range": "only the range is known",
    "289-zero-heads": "the number of heads can be anything",
    "291-zero-window": "the window can be anything",
    "300-python-class": "the shape of the input is not in the class",
    "302-if-colon": "the lines after it must use the new name",
    "314-sequential-list": "the stages belong where the name is used",
    "324-train-torch-optim": "the loss belongs in another line",
    "325-schedule-args": "the last rate is a fraction here",
    "332-param-torch": "a parameter is a statement of its own",
    "334-import-sibling": "text without a folder cannot import",
    "338-tf-names": "`w` and `b` are not in the file",
    "340-torch-functional-chain": "the stages must be taken apart",
    "40-py-def-self": "the lines of the class are still there",
    "405-no-inputs": "the shape of the input is not in the file",
    "52-py-if-statement": "the lines after it must use the new name",
    "85-import-missing": "the file is not there",
}
"""Cases without an edit, and why."""
CASES = sorted(path.parent for path in HERE.glob("*/cmd") if path.read_text().strip() == "netrun check m.net")


def errors(text: str) -> Sequence[Diagnostic]:
    try:
        check(load_module(Source("m.net", text)))
    except NetError as wrong:
        return wrong.diagnostics
    return ()


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_the_offered_edits_make_the_file_right(case: Path) -> None:
    text = (case / "m.net").read_text()
    found = errors(text)
    assert found, "the case has no mistake"
    if case.name in OPEN:
        assert not all(one.fixes for one in found), "an edit is offered; remove the case from the list"
        return
    for _ in range(ROUNDS):
        if not found:
            break
        source = next(one.span.source for one in found if one.span is not None)
        text = apply_edits(source, [edit for one in found for edit in one.fixes])
        found = errors(text)
    assert not found, f"after the edits:\n{text}\n{NetError(found)}"
