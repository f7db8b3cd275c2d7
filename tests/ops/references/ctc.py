"""The CTC loss by its definition: the sum over every path that collapses to the labels."""

from __future__ import annotations

from itertools import groupby, product
from typing import Any

import numpy as np

from netdsl.ops.sequence.ctc import CtcLoss
from ops.harness import reference


@reference(CtcLoss)
def ctc_loss(op: CtcLoss, log_probs: Any, label: Any, length: Any = None, label_length: Any = None) -> Any:
    batch, steps, classes = log_probs.shape
    found = []
    for row in range(batch):
        used = steps if length is None else int(length[row])
        wanted = list(label[row] if label_length is None else label[row][: int(label_length[row])])
        paths = [p for p in product(range(classes), repeat=used) if collapsed(p, op.blank) == wanted]
        scores = [sum(float(log_probs[row, t, c]) for t, c in enumerate(path)) for path in paths]
        found.append(-np.logaddexp.reduce(scores) if scores else np.inf)
    return np.array(found, log_probs.dtype)


def collapsed(path: tuple[int, ...], blank: int) -> list[int]:
    """The labels of a path: repetitions joined, then blanks left out."""
    return [c for c, _ in groupby(path) if c != blank]
