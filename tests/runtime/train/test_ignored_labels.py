"""Labels that do not count: any value of `ignore`, padding, and labels that are no class at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netdsl.checker import check
from netruntime.data import DataOptions
from netruntime.engine.loading import open_module
from netruntime.errors import DataInputError
from netruntime.train.rows import label_specs

CLASSES = 5
TAGS = """net 1.0
model T(ids: i32[B, T]) -> logits: f32[B, T, 5] { return ids -> embed: Embedding(11, 8) -> out: Linear(5) }
train {
  input tag: i32[B, T]
  loss = cross_entropy(logits, tag, ignore=IGNORE, weights=WEIGHTS)
  metric accuracy = accuracy(logits, tag)
  metric best = top_k(logits, tag, k=2, ignore=IGNORE)
  metric perplexity = perplexity(logits, tag)
  metric confusion = confusion_matrix(logits, tag)
  metric macro = f1(logits, tag)
  optimizer = sgd(0.1)
  epochs = 1
}
"""
WEIGHTS = [1.0, 2.0, 0.5, 1.5, 3.0]


def source(ignore: object, weights: object = "none") -> str:
    return TAGS.replace("IGNORE", str(ignore)).replace("WEIGHTS", str(weights))


def scores(weights: dict[str, Any], ids: Any) -> Any:
    table = np.asarray(weights["embed.weight"], np.float64)
    return table[ids] @ np.asarray(weights["out.weight"], np.float64) + np.asarray(weights["out.bias"])


def expected(weights: dict[str, Any], rows: list[dict[str, Any]], ignore: int) -> dict[str, Any]:
    """The figures by NumPy over the labels that count."""
    z = np.concatenate([scores(weights, row["ids"]) for row in rows])
    label = np.concatenate([row["tag"] for row in rows])
    z, label = z[label != ignore], label[label != ignore]
    log_probs = z - np.log(np.exp(z).sum(-1, keepdims=True))
    picked = log_probs[np.arange(len(z)), label]
    order = np.argsort(-z, axis=-1)
    table = np.zeros((CLASSES, CLASSES))
    np.add.at(table, (label, order[:, 0]), 1)
    met = table.sum(0) + table.sum(1)
    f1 = [2 * table[k, k] / met[k] for k in range(CLASSES) if met[k]]
    return {
        "picked": picked,
        "label": label,
        "accuracy": float((order[:, 0] == label).mean()),
        "best": float((order[:, :2] == label[:, None]).any(-1).mean()),
        "perplexity": float(np.exp(-picked.mean())),
        "confusion": table,
        "macro": float(np.mean(f1)),
    }


def random_rows(lengths: tuple[int, ...], *, least: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [{"ids": rng.integers(0, 11, n), "tag": rng.integers(least, CLASSES, n)} for n in lengths]


@pytest.mark.parametrize("ignore", [-1, 0, 3, -100, 255])
@pytest.mark.parametrize("weights", ["none", WEIGHTS])
def test_labels_equal_to_ignore_and_padding_count_nowhere(ignore: int, weights: Any) -> None:
    """The rows differ in length, some labels are the ignored one, and all figures are NumPy's."""
    rows = random_rows((6, 2, 1, 4))
    for row in rows:
        row["tag"][::3] = ignore
    start = nr.load(source(ignore)).weights
    measured = nr.evaluate(source(ignore, weights), rows, start, batch_size=4).figures[""]
    wanted = expected(dict(start), rows, ignore)
    each = np.ones(CLASSES) if weights == "none" else np.array(weights)
    share = each[wanted["label"]]
    assert measured["loss"] == pytest.approx(-(share * wanted["picked"]).sum() / share.sum(), rel=1e-5)
    for name in ("accuracy", "best", "perplexity", "macro"):
        assert measured[name] == pytest.approx(wanted[name], rel=1e-5), name
    assert np.array_equal(measured["confusion"], wanted["confusion"])


@pytest.mark.parametrize("ignore", [-1, 0, 255])
@pytest.mark.parametrize("weights", ["none", WEIGHTS])
def test_smoothing_leaves_out_rows_without_labels(ignore: int, weights: Any) -> None:
    """A row has ignored labels only; alone in a batch, it changes nothing and makes no NaN."""
    rows = random_rows((6, 1, 4))
    rows[0]["tag"][::2], rows[1]["tag"][:] = ignore, ignore
    text = source(ignore, weights).replace("weights=", "smoothing=0.2, weights=")
    start = nr.load(text).weights
    wanted = expected(dict(start), rows, ignore)
    z = np.concatenate([scores(dict(start), row["ids"]) for row in rows])
    z = z[np.concatenate([row["tag"] for row in rows]) != ignore]
    log_probs = z - np.log(np.exp(z).sum(-1, keepdims=True))
    each = np.ones(CLASSES) if weights == "none" else np.array(weights)
    share = each[wanted["label"]]
    total = -0.8 * (share * wanted["picked"]).sum() - 0.2 * (log_probs * each).mean(-1).sum()
    for batch_size in (3, 1):
        loss = nr.evaluate(text, rows, start, batch_size=batch_size).figures[""]["loss"]
        assert loss == pytest.approx(total / share.sum(), rel=1e-5)
    (row,) = rows[1:2]
    after = nr.fit(text, [row], weights=start, batch_size=1).weights
    assert all(np.array_equal(after[name], start[name]) for name in start)


def test_a_metric_without_ignore_takes_that_of_the_loss_and_keeps_its_own() -> None:
    text = source(-100).replace("accuracy(logits, tag)", "accuracy(logits, tag, ignore=0)")
    phase = check(open_module(text), {}).phases[0]
    ignored = {metric.name: metric.arguments["ignore"] for metric in phase.metrics}
    assert ignored == {"accuracy": 0, "best": -100, "perplexity": -100, "confusion": -100, "macro": -100}
    assert label_specs([phase])["tag"].ignore is None, "no value is ignored by all of them"


def test_padding_that_would_count_in_some_metric_is_refused() -> None:
    text = source(-1).replace("accuracy(logits, tag)", "accuracy(logits, tag, ignore=0)")
    with pytest.raises(DataInputError, match=r"E0843.*row 0 .* rows of 2 and of 3 labels in `tag`"):
        nr.evaluate(text, random_rows((3, 2)), batch_size=2)
    assert nr.evaluate(text, random_rows((3, 3)), batch_size=2).rows == 2


@pytest.mark.parametrize("wrong", [-2, -4, -100, 5, 255])
def test_a_label_that_is_neither_a_class_nor_ignored_is_named(wrong: int) -> None:
    rows = random_rows((3, 4))
    rows[1]["tag"][2] = wrong
    message = (
        rf"row 1 of the data set, element 2 has the label {wrong}, but 5 classes \(.*`logits`, f32\[B, T, 5\]"
    )
    with pytest.raises(DataInputError, match=message) as caught:
        nr.evaluate(source(-1), rows)
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code == "E0831"
    assert diagnostic.labels[0].span.text.startswith("logits")
    assert f"ignore={wrong}" in (diagnostic.help or "") or wrong == CLASSES


def test_all_ignored_labels_are_named_where_losses_and_metrics_differ() -> None:
    text = source(-1).replace("accuracy(logits, tag)", "accuracy(logits, tag, ignore=-7)")
    text = text.replace("f1(logits, tag)", "f1(logits, tag, ignore=0)")
    for wrong in (-7, -1, -2):
        rows = random_rows((3, 3))
        rows[1]["tag"][0] = wrong
        named = r"row 1 .* label {}, .* do not all ignore the same: some ignore -7 and -1 and 0"
        with pytest.raises(DataInputError, match=named.format(wrong)) as caught:
            nr.evaluate(text, rows)
        way = f"write `ignore={wrong}` in every loss and metric"
        assert (way in (caught.value.diagnostics[0].help or "")) == (wrong != -2)


def test_minus_one_is_refused_where_nothing_is_ignored() -> None:
    rows = random_rows((3, 3))
    rows[0]["tag"][1] = -1
    with pytest.raises(DataInputError, match=r"has the label -1, .* and none is ignored"):
        nr.evaluate(source("none"), rows)


ECHO = """net 1.0
model E(ids: i32[B, T]) -> logits: f32[B, T, 5] { return ids -> embed: Embedding(5, 8) -> out: Linear(5) }
train {
  loss = cross_entropy(logits, ids, ignore=IGNORE)
  optimizer = sgd(0.1)
}
"""


def test_ids_that_are_labels_too_are_padded_with_the_ignored_id() -> None:
    rows = [{"ids": row["tag"]} for row in random_rows((5, 2, 1), least=1)]
    text = ECHO.replace("IGNORE", "0")
    start = dict(nr.load(text).weights)
    own = [{"ids": row["ids"], "tag": row["ids"]} for row in rows]
    picked = expected(start, own, 0)["picked"]
    assert nr.evaluate(text, rows, start).figures[""]["loss"] == pytest.approx(-picked.mean(), rel=1e-5)
    with pytest.raises(DataInputError, match="E0843"):
        nr.evaluate(ECHO.replace("IGNORE", "-1"), rows, start)


def test_labels_and_ids_below_zero_are_errors_in_a_network() -> None:
    net = nr.load(
        "net 1.0\n"
        "model M(logits: f32[B, 4], label: i32[B]) -> loss: f32 { return cross_entropy(logits, label) }\n"
    )
    z = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    for wrong in (4, -2, -4, -100):
        with pytest.raises(DataInputError, match=f"index {wrong} at position"):
            net(logits=z, label=np.array([0, 1, wrong]))
    log_probs = z - np.log(np.exp(z).sum(-1, keepdims=True))
    assert net(logits=z, label=np.array([0, 1, -1])) == pytest.approx(
        -(log_probs[0, 0] + log_probs[1, 1]) / 2
    )
    with pytest.raises(DataInputError, match="index -1 at position"):
        nr.load(ECHO.replace("IGNORE", "0"))(ids=np.array([[1, -1]]))


def test_a_text_with_more_characters_than_classes(tmp_path: Path) -> None:
    file, text = tmp_path / "lm.net", tmp_path / "book.txt"
    file.write_text(
        "net 1.0\n\nconfig {\n  vocab: int = 3\n}\n\n"
        "model LM(ids: i32[B, T]) -> logits: f32[B, T, vocab] {\n"
        "  return ids -> embed: Embedding(vocab, 4) -> out: Linear(vocab)\n}\n\n"
        "train {\n  input label: i32[B, T]\n  loss = cross_entropy(logits, label)\n}\n"
    )
    text.write_text("abcdeabcde" * 4)
    options = DataOptions(window=4)
    with pytest.raises(DataInputError) as failed:
        nr.fit(file, text, epochs=1, batch_size=4, options=options, out=None)
    assert "give the model 5 classes, one for each character of the text" in str(failed.value)
    assert "`--set NAME=5`" in str(failed.value)
    result = nr.fit(file, text, epochs=1, batch_size=4, options=options, out=None, config={"vocab": 5})
    assert result.weights["embed.weight"].shape == (5, 4)
