"""Training from Python: it learns, accumulates, averages, alternates, stops, and goes on where it stopped."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import SOURCE, rows

import netruntime as nr
from netdsl.diagnostics import NetError
from netruntime.engine.backends import DeviceChoice
from netruntime.native.options import EngineOptions
from netruntime.train.events import EpochEvent, StepEvent
from netruntime.train.records.facts import Provenance
from netruntime.train.records.finish import finish
from netruntime.train.run import TrainRequest, prepare


class Recorder:
    """Keeps what a run reports."""

    def __init__(self) -> None:
        self.steps: list[StepEvent] = []
        self.epochs: list[EpochEvent] = []

    def on_step(self, event: StepEvent) -> None:
        self.steps.append(event)

    def on_epoch(self, event: EpochEvent) -> None:
        self.epochs.append(event)


def same(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_it_learns() -> None:
    told = Recorder()
    result = nr.fit(SOURCE, rows(400), holdout=0.25, epochs=12, watchers=[told])
    assert result.step == 12 * 19 and len(told.steps) == result.step
    first, last = result.history[0], result.history[-1]
    assert last.valid[""]["accuracy"] > 0.8 and last.valid[""]["loss"] < first.valid[""]["loss"]
    assert last.train[""]["loss"] < 0.6 * first.train[""]["loss"]
    assert told.steps[0].lr == pytest.approx(0.01 / 4) and told.steps[-1].lr < 1e-4
    logits = result.network()(x=rows()["x"])
    assert logits.shape == (120, 3)


def test_labels_are_those_of_the_section_and_every_class_is_held_out() -> None:
    """Also where a loss has an input of the same name, as `cross_entropy` has."""
    data = rows(200)
    data["label"] = np.array([0] * 190 + [1] * 5 + [2] * 5, np.int32)
    for seed in range(3):
        with prepare(TrainRequest(SOURCE, data, holdout=0.2, settings={"seed": seed})) as run:
            assert run.train.labels == ("label",)
            assert run.valid is not None
            held = data["label"][run.valid.indices]
            assert np.bincount(held).tolist() == [38, 1, 1]


def test_equal_seeds_give_equal_weights() -> None:
    first, second = (nr.fit(SOURCE, rows(), epochs=1, seed=5).weights for _ in range(2))
    assert same(first, second)
    assert not same(first, nr.fit(SOURCE, rows(), epochs=1, seed=6).weights)


def test_batch_norm_keeps_running_statistics() -> None:
    weights = nr.fit(SOURCE, rows(), epochs=1).weights
    assert np.abs(weights["bn.running_mean"]).max() > 0 and not np.allclose(weights["bn.running_var"], 1)


PLAIN = """net 1.0
model Line(x: f64[B, 6]) -> y: f64[B, 3] { return x -> fc: Linear(3) }
train {
  input target: f64[B, 3]
  loss = mse(y, target)
  optimizer = sgd(0.1, momentum=0.9)
}
"""


def plain_rows() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(48, 6))
    return {"x": x, "target": x @ rng.normal(size=(6, 3))}


def test_accumulated_parts_equal_the_whole_batch() -> None:
    whole = nr.fit(PLAIN, plain_rows(), epochs=3, batch_size=16).weights
    parts = nr.fit(PLAIN, plain_rows(), epochs=3, batch_size=4, accumulate=4).weights
    for name, array in whole.items():
        np.testing.assert_allclose(parts[name], array, rtol=1e-9, atol=1e-12)


def test_the_average_of_the_weights_is_what_counts() -> None:
    plain = nr.fit(PLAIN, plain_rows(), epochs=2, batch_size=16).weights
    averaged = nr.fit(PLAIN, plain_rows(), epochs=2, batch_size=16, ema=0.9).weights
    assert not same(plain, averaged)


def test_frozen_weights_stay_and_have_no_state() -> None:
    source = SOURCE.replace("epochs = 4", 'epochs = 1\n  freeze "fc1.*"')
    run = prepare(TrainRequest(source, rows()))
    before = {name: np.array(array) for name, array in run.trainer.weights.items()}
    assert not any(label.startswith("fc1") for label in run.trainer.phases[0].state.slots)
    run.loop.run()
    assert np.array_equal(before["fc1.weight"], run.trainer.weights["fc1.weight"])
    assert not np.array_equal(before["fc2.weight"], run.trainer.weights["fc2.weight"])


NUMPY = DeviceChoice(options=EngineOptions("numpy"))


def test_what_is_frozen_costs_nothing() -> None:
    """No node of the backward pass computes a gradient of a frozen weight, or of what lies before it."""
    counts = []
    for line in ("", 'freeze "fc1.*", "bn.*"'):
        step = (
            prepare(TrainRequest(SOURCE.replace("epochs = 4", f"epochs = 1\n  {line}"), rows(), device=NUMPY))
            .trainer.phases[0]
            .loss_graph
        )
        counts.append(len(step._plans.plan({"B": 4}).steps))
    assert counts[1] < counts[0] - 8


TWO = """net 1.0
model Make(z: f32[B, 2]) -> fake: f32[B, 2] { return z -> fc: Linear(2) }
model Judge(point: f32[B, 2]) -> score: f32[B, 1] { return point -> fc: Linear(8) -> tanh -> out: Linear(1) }
train judge {
  fake = Make(normal([B, 2]))
  loss = mean(softplus(-Judge(point))) + mean(softplus(Judge(fake)))
  optimizer = adam(lr=0.01)
  over "Judge.*"
}
train make {
  fake = Make(normal([B, 2]))
  loss = mean(softplus(-Judge(fake))) + 0.0 * mean(point)
  optimizer = adam(lr=0.01)
  over "Make.*"
}
"""


def test_phases_alternate_each_over_its_own_weights() -> None:
    points = {"point": np.random.default_rng(0).normal(2, 1, size=(64, 2)).astype(np.float32)}
    told = Recorder()
    run = prepare(TrainRequest(TWO, points, settings={"epochs": 1, "batch_size": 16}), [told])
    run.loop.run()
    assert [event.phase for event in told.steps] == ["judge", "make"] * 4
    judge, make = run.trainer.phases
    assert {label.split(".")[0] for label in judge.state.slots} == {"Judge"}
    assert {label.split(".")[0] for label in make.state.slots} == {"Make"}


def test_a_phase_can_take_part_in_each_second_step() -> None:
    points = {"point": np.random.default_rng(0).normal(2, 1, size=(64, 2)).astype(np.float32)}
    source = TWO.replace('over "Make.*"', 'every = 2\n  over "Make.*"')
    told = Recorder()
    run = prepare(TrainRequest(source, points, settings={"epochs": 1, "batch_size": 16}), [told])
    run.loop.run()
    assert [event.phase for event in told.steps] == ["judge", "make", "judge"] * 2
    assert failure(source.replace("every = 2", "every = 0"), points).code == "E1072"


def test_early_stopping_ends_the_run() -> None:
    source = SOURCE.replace("adam(lr=0.01)", "sgd(lr=0)").replace("epochs = 4", "epochs = 50\n  patience = 3")
    assert len(nr.fit(source, rows(), holdout=0.25).history) == 4


# -- stopping and going on ------------------------------------------------------------------------


class StopAt:
    """Asks a run to stop after a number of steps, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.loop: Any = None

    def on_step(self, event: StepEvent) -> None:
        if event.step >= self.step:
            self.loop.stop_asked = True

    def on_epoch(self, event: EpochEvent) -> None:
        pass


def run_with_stops(folder: Path, stops: list[int], **settings: Any) -> Any:
    """Train in as many pieces as there are stops, and to the end; the last run."""
    for number, stop in enumerate([*stops, None]):
        request = TrainRequest(SOURCE, rows(), holdout=0.2, out=folder, resume=number > 0, settings=settings)
        with prepare(request) as run:
            if stop is not None:
                stopper = StopAt(stop)
                stopper.loop = run.loop
                run.loop.watchers.append(stopper)
            run.loop.run()
            finish(run, Provenance("test"))
    return run


@pytest.mark.parametrize("stops", [[1], [6], [7], [3, 10, 11, 20], [12, 18]])
@pytest.mark.parametrize("ema", [None, 0.9])
def test_resuming_goes_on_bit_for_bit(tmp_path: Path, stops: list[int], ema: float | None) -> None:
    whole = run_with_stops(tmp_path / "whole", [], ema=ema)
    pieces = run_with_stops(tmp_path / "pieces", stops, ema=ema)
    assert pieces.trainer.step == whole.trainer.step
    for section, arrays in whole.trainer.arrays().items():
        assert same(arrays, pieces.trainer.arrays()[section]), section
    assert pieces.loop.history[-1].train == whole.loop.history[-1].train
    assert pieces.loop.history[-1].valid == whole.loop.history[-1].valid
    best = [nr.read_weights(tmp_path / name / "best.safetensors") for name in ("whole", "pieces")]
    assert same(dict(best[0]), dict(best[1]))


def test_accumulation_resumes_inside_an_epoch(tmp_path: Path) -> None:
    whole = run_with_stops(tmp_path / "whole", [], accumulate=2)
    pieces = run_with_stops(tmp_path / "pieces", [2, 5], accumulate=2)
    assert same(whole.trainer.arrays()["weights"], pieces.trainer.arrays()["weights"])


def test_a_run_can_be_made_longer(tmp_path: Path) -> None:
    run_with_stops(tmp_path, [])
    request = TrainRequest(SOURCE, rows(), holdout=0.2, out=tmp_path, resume=True, settings={"epochs": 6})
    with prepare(request) as run:
        run.loop.run()
    assert [event.epoch for event in run.loop.history] == [4, 5]


# -- what goes wrong -------------------------------------------------------------------------------


def failure(*args: Any, **options: Any) -> NetError:
    with pytest.raises(NetError) as caught:
        nr.fit(*args, **options)
    return caught.value


def test_a_loss_that_trains_nothing_is_refused() -> None:
    source = SOURCE.replace(
        "cross_entropy(logits, label)\n  metric", "mean(argmax(logits) == label)\n  metric"
    )
    wrong = failure(source, rows())
    assert wrong.code == "E1070" and "does not depend on any weight" in str(wrong)


def test_an_infinite_loss_stops_and_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    data = rows()
    nr.fit(SOURCE, data, out=tmp_path, epochs=1)
    wrong = failure(
        SOURCE,
        data,
        out=tmp_path,
        resume=True,
        epochs=5,
        train={"optimizer": "sgd(1e38)", "clip": "norm(1e30)"},
    )
    assert wrong.code in ("E1071", "E1083")
    again = nr.fit(SOURCE, data, out=tmp_path, resume=True, epochs=2)
    assert again.step == 16


def test_a_loss_that_becomes_infinite_is_told() -> None:
    wrong = failure(PLAIN, plain_rows(), epochs=50, train={"optimizer": "sgd(1e30)"})
    assert wrong.code == "E1071" and "at step" in str(wrong) and "learning rate" in str(wrong)


def test_a_file_without_a_section_is_refused() -> None:
    source = SOURCE[: SOURCE.index("train {")]
    assert failure(source, rows()).code == "E1073"


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    nr.fit(SOURCE, rows(), out=tmp_path, epochs=1)
    assert failure(SOURCE, rows(), out=tmp_path).code == "E1076"
    assert failure(SOURCE, rows(), out=tmp_path / "other", resume=True).code == "E1076"


@pytest.mark.parametrize(
    ("change", "word"),
    [({"batch_size": 8}, "batch_size"), ({"seed": 3}, "seed"), ({"accumulate": 2}, "accumulate")],
)
def test_another_order_of_data_cannot_be_resumed(tmp_path: Path, change: dict[str, int], word: str) -> None:
    nr.fit(SOURCE, rows(), out=tmp_path, epochs=1)
    wrong = failure(SOURCE, rows(), out=tmp_path, resume=True, **change)
    assert wrong.code == "E1077" and word in str(wrong)


def test_another_file_or_other_rows_cannot_be_resumed(tmp_path: Path) -> None:
    nr.fit(SOURCE, rows(), out=tmp_path, epochs=1)
    assert failure(SOURCE + "\n", rows(), out=tmp_path, resume=True).code == "E1077"
    assert failure(SOURCE, rows(90), out=tmp_path, resume=True).code == "E1077"


def test_another_width_cannot_be_resumed(tmp_path: Path) -> None:
    source = SOURCE.replace("model Small", "config { width = 16 }\nmodel Small").replace(
        "Linear(16)", "Linear(width)"
    )
    nr.fit(source, rows(), out=tmp_path, epochs=1)
    wrong = failure(source, rows(), out=tmp_path, resume=True, config={"width": 8})
    assert (wrong.code == "E1074" and "fc1" in str(wrong)) or "bn" in str(wrong)


def test_numbers_of_the_run_have_ranges() -> None:
    assert failure(SOURCE, rows(), epochs=0).code == "E1072"
    assert failure(SOURCE, rows(), batch_size=2.5).code == "E1072"
    with pytest.raises(TypeError, match="epoch"):
        nr.fit(SOURCE, rows(), epoch=3)
    with pytest.raises(TypeError, match="both set"):
        nr.fit(SOURCE, rows(), rows(), holdout=0.25)


def test_weights_of_a_body_start_a_new_head(tmp_path: Path) -> None:
    body = nr.fit(SOURCE, rows(), epochs=1).weights
    notes: list[str] = []
    source = SOURCE.replace("fc2: Linear(3)", "head: Linear(3)")
    result = nr.fit(source, rows(), epochs=1, weights=body, note=notes.append, train={"optimizer": "sgd(0)"})
    assert np.array_equal(result.weights["fc1.weight"], body["fc1.weight"])
    assert any("2 are new" in note and "head" in note for note in notes), notes
    assert any("2 in the file are not used" in note for note in notes), notes


def test_the_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    nr.fit(SOURCE, rows(), out=tmp_path, epochs=1)
    (folder,) = (tmp_path / "checkpoints").glob("step-*")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["step"] == 8


def test_the_card_of_a_run_from_python_says_how_its_weights_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "small.net").write_text(SOURCE)
    nr.fit(tmp_path / "small.net", rows(), out=tmp_path / "a", epochs=1)
    use = re.findall(r"```python\n(net = .*)\n```", (tmp_path / "a" / "card.md").read_text())
    names: dict[str, Any] = {"netruntime": nr}
    exec(use[0], names)
    assert names["net"](x=rows()["x"]).shape == (120, 3)
    nr.fit(SOURCE, rows(), out=tmp_path / "b", epochs=1)
    assert "## Use" not in (tmp_path / "b" / "card.md").read_text()


def test_each_device_learns_the_same(device: str) -> None:
    result = nr.fit(PLAIN, plain_rows(), epochs=2, batch_size=16, device=device)
    expected = nr.fit(PLAIN, plain_rows(), epochs=2, batch_size=16)
    for name, array in expected.weights.items():
        np.testing.assert_allclose(result.weights[name], array, rtol=1e-6, atol=1e-9)


def test_measuring_gives_what_the_training_measured() -> None:
    result = nr.fit(SOURCE, rows(120), holdout=0.25, epochs=3, seed=4)
    told: list[str] = []
    found = nr.evaluate(
        SOURCE, rows(120), result.weights, holdout=0.25, seed=4, batch_size=7, note=told.append
    )
    expected = result.history[-1].valid[""]
    assert found.rows == 31  # a quarter of each class, rounded
    assert found.figures[""]["accuracy"] == expected["accuracy"]
    assert found.figures[""]["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert any("weights are read" in text for text in told)


def test_nothing_can_be_measured_without_a_section() -> None:
    with pytest.raises(nr.TrainingError) as failed:
        nr.evaluate("net 1.0\nmodel M(x: f32[B, 2]) { return x -> fc: Linear(1) }\n", {"x": np.ones((2, 2))})
    assert failed.value.code == "E1073"


def test_results_print_on_a_screen() -> None:
    trained = nr.fit(SOURCE, rows(), valid=rows(), epochs=2)
    lines = repr(trained).splitlines()
    assert len(lines) <= 5 and max(map(len, lines)) < 100
    assert "valid loss" in repr(trained) and "updates" in lines[0]
    measured = nr.evaluate(SOURCE, rows(), trained.weights)
    assert repr(measured).startswith("<Measured on ") and len(repr(measured)) < 200
    assert "," not in repr(measured).partition(": ")[2]
    weights = trained.network().weights
    lines = repr(weights).splitlines()
    assert lines[0].endswith(f"numbers in {len(weights)} weights:") and len(lines) <= 18
    assert lines[1].strip().startswith(f"{next(iter(weights))}: f32[")


@pytest.mark.parametrize(("verbose", "lines"), [(True, 2), (None, 0), (False, 0)])
def test_progress_is_shown_where_it_is_wanted(
    verbose: bool | None, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    nr.fit(SOURCE, rows(), epochs=2, verbose=verbose)
    assert capsys.readouterr().out.count("epoch ") == lines


def test_the_packages_have_a_version_and_a_clean_list_of_names() -> None:
    import netdsl

    assert re.fullmatch(r"\d+\.\d+.*", nr.__version__) and nr.__version__ == netdsl.__version__
    names = [name for name in dir(nr) if not name.startswith("_")]
    assert names == sorted(nr.__all__)
    assert all(getattr(nr, name) is not None for name in names)


def test_an_evaluation_reports_its_rows() -> None:
    done: list[tuple[int, int]] = []
    nr.evaluate(SOURCE, rows(), batch_size=50, advance=lambda *counts: done.append(counts))
    assert done == [(50, 120), (50, 120), (20, 120)]
