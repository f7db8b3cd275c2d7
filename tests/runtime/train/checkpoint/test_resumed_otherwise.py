"""Runs whose figures could not be compared are not resumed; runs without a best epoch end all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_runs import SOURCE, rows

import netruntime as nr


def test_another_figure_for_the_best_epoch_cannot_be_resumed(tmp_path: Path) -> None:
    nr.fit(SOURCE, rows(), out=tmp_path, epochs=1)
    with pytest.raises(nr.TrainingError, match=r"E1077.*the best epoch.*from accuracy to loss"):
        nr.fit(SOURCE, rows(), out=tmp_path, epochs=2, resume=True, train={"metric.accuracy": "none"})


def test_other_data_of_as_many_rows_cannot_be_resumed(tmp_path: Path) -> None:
    nr.fit(SOURCE, rows(), out=tmp_path, epochs=1)
    with pytest.raises(nr.TrainingError, match=r"E1077.*the content of the training data"):
        nr.fit(SOURCE, rows(seed=1), out=tmp_path, epochs=2, resume=True)


def test_other_validation_cannot_be_resumed(tmp_path: Path) -> None:
    nr.fit(SOURCE, rows(), rows(30, seed=1), out=tmp_path, epochs=1)
    with pytest.raises(nr.TrainingError, match=r"E1077.*validation rows.*from 30 to 0"):
        nr.fit(SOURCE, rows(), out=tmp_path, epochs=2, resume=True)


def test_a_run_without_a_best_epoch_leaves_its_last_weights_and_a_card(tmp_path: Path) -> None:
    unlabelled = rows() | {"label": np.full(120, -1, np.int32)}  # none counts: the accuracy is 0/0
    nr.fit(SOURCE, unlabelled, out=tmp_path, epochs=1)
    assert not (tmp_path / "best.safetensors").exists()
    assert "last.safetensors" in (tmp_path / "card.md").read_text()


def test_a_run_without_a_folder_cannot_be_resumed() -> None:
    with pytest.raises(nr.TrainingError, match=r"E1076.*resuming a run needs its folder"):
        nr.fit(SOURCE, rows(), epochs=1, resume=True)


@pytest.mark.parametrize("epochs", ["many", float("nan"), float("inf"), 0.5, 0])
def test_epochs_that_are_no_count_are_refused_without_a_place_in_the_file(epochs: object) -> None:
    with pytest.raises(nr.TrainingError, match=r"E1072.*`epochs` is .* positive integer") as failed:
        nr.fit(SOURCE, rows(), epochs=epochs)
    assert failed.value.diagnostics[0].span is None
