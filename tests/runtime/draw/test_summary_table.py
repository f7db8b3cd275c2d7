"""The table of a model: totals against counts by hand, shared layers, symbols, depth, and its text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

from netdsl.checker import check
from netdsl.diagnostics import NetError
from netdsl.graph import build
from netdsl.modules import load_module
from netdsl.source import Source
from netruntime.draw.table import summary
from netruntime.draw.table.columns import Table
from netruntime.engine.loading import open_module
from netruntime.quantities import bytes_text, number_text

ROOT = Path(__file__).parents[3]

SIAMESE = """net 1.0
block Tower(n)(x: [B, D]) -> [B, n] {
  return x -> a: Linear(n) -> relu -> b: Linear(n)
}
model Siamese(x: f32[B, 8], y: f32[B, 8]) -> d: f32[B, 4] {
  layer tower = Tower(4)
  p = tower(x)
  q = tower(y)
  return p - q
}
"""

STACK = """net 1.0
block Scale()(x: [*rest, D]) -> [*rest, D] {
  param weight: [D] = ones
  buffer mean: [D] = zeros
  return (x - mean) * weight
}
block Layer(w)(x: [*rest, D]) -> [*rest, D] {
  return x -> residual { up: Linear(w) -> relu -> down: Linear(D) } -> norm: Scale()
}
model Stack(x: f32[B, T, 8]) -> y: f32[B, T, 8] {
  return x -> layers: Layer(16) * 3
}
"""

LSTM = """net 1.0
cell Rnn(hidden)(x: [B, I]) -> [B, hidden] {
  param W: [I, hidden] = glorot
  param U: [hidden, hidden] = orthogonal
  state h: [B, hidden] = zeros
  next h = tanh(x @ W + h @ U)
  return h'
}
model R(x: f32[B, T, 5]) -> y: f32[B, T, 7] {
  return x -> rnn: scan Rnn(7)
}
"""


def graph_of(text: str) -> nx.MultiDiGraph:
    (model,) = check(load_module(Source("<text>", text))).models.values()
    return build(model)


def test_totals_equal_counts_by_hand() -> None:
    found = summary(graph_of(STACK), {"B": 2, "T": 3})
    each = 8 * 16 + 16 + 16 * 8 + 8 + 8
    assert found.totals.parameters == 3 * each
    assert found.totals.parameter_bytes == 3 * each * 4
    assert found.totals.buffers == 3 * 8
    assert found.totals.buffer_bytes == 3 * 8 * 4
    assert found.totals.multiply_adds == 3 * (2 * 3) * (8 * 16 + 16 * 8)
    # up, relu, down, add, subtract, multiply
    assert found.totals.activation_bytes == 3 * (2 * 3) * (16 + 16 + 8 + 8 + 8 + 8) * 4


def test_peak_is_the_most_alive_at_once() -> None:
    # In each layer the input x stays for the residual while `up` and `relu` are both alive.
    assert summary(graph_of(STACK), {"B": 1, "T": 1}).peak_activation_bytes == (8 + 16 + 16) * 4


def test_shared_weights_count_once_and_their_products_twice() -> None:
    found = summary(graph_of(SIAMESE), {"B": 1})
    assert found.totals.parameters == 8 * 4 + 4 + 4 * 4 + 4
    assert found.totals.multiply_adds == 2 * (8 * 4 + 4 * 4)
    rows = {row.path: row for row in found.rows}
    assert rows["tower"].counts.parameters == 56 and not rows["tower"].shared
    assert rows["tower@2"].counts.parameters == 0 and rows["tower@2"].shared
    assert rows["tower@2"].counts.multiply_adds == rows["tower"].counts.multiply_adds


def test_a_free_size_stays_in_the_expression() -> None:
    found = summary(graph_of(SIAMESE))
    assert str(found.totals.multiply_adds) == "B*96"
    assert found.peak_activation_bytes is None
    assert found.as_dict()["totals"]["multiply_adds"] == "B*96"


def test_depth_folds_rows_into_their_group() -> None:
    graph = graph_of(STACK)
    assert [row.path for row in summary(graph, depth=1).rows] == ["x", "layers"]
    two = summary(graph, depth=2)
    assert [row.path for row in two.rows] == ["x", "layers", "layers.0", "layers.1", "layers.2"]
    assert two.rows[1].counts.parameters == two.totals.parameters
    assert two.rows[2].counts.parameters == 288
    assert [row.kind for row in two.rows[1:3]] == ["3 x Layer", "Layer"]
    full = {row.path for row in summary(graph).rows}
    assert {"layers.0.up", "layers.0.relu", "layers.0.norm", "layers.0.norm.multiply"} <= full
    assert "layers.0.up.linear" not in full, "a block of one operator is one row"


def test_totals_do_not_depend_on_depth() -> None:
    graph = graph_of(STACK)
    assert summary(graph, depth=1).totals == summary(graph).totals


def test_parameters_of_a_scanned_cell() -> None:
    found = summary(graph_of(LSTM), {"B": 1, "T": 4})
    (row,) = [row for row in found.rows if row.path == "rnn"]
    assert row.counts.parameters == 5 * 7 + 7 * 7
    assert row.counts.multiply_adds == 4 * (5 * 7 + 7 * 7)


def test_a_parameter_used_only_inside_an_inner_block_has_its_own_row() -> None:
    text = """net 1.0
block Times()(x: [B, D], w: [D]) -> [B, D] {
  return x * w
}
model M(x: f32[B, 6]) -> y: f32[B, 6] {
  param gain: f32[6] = ones
  return Times()(x, gain)
}
"""
    found = summary(graph_of(text))
    rows = {row.path: row for row in found.rows}
    assert rows["gain"].kind == "param" and rows["gain"].counts.parameters == 6
    assert found.totals.parameters == 6


@pytest.mark.parametrize(
    ("sizes", "code", "words"),
    [
        ({"Q": 1}, "E0871", "no free size `Q`"),
        ({"B": 0}, "E0872", "positive 64-bit integer, but is 0"),
        ({"B": True}, "E0872", "but is True"),
        ({"B": 2**62}, "E0873", "too large"),
    ],
)
def test_sizes_that_cannot_be(sizes: dict[str, int], code: str, words: str) -> None:
    with pytest.raises(NetError, match=words) as caught:
        summary(graph_of(SIAMESE), sizes)
    assert caught.value.code == code


NARROW = 80


def test_the_text_has_every_row_and_the_totals() -> None:
    shown = summary(graph_of(STACK), {"B": 1, "T": 1}).text(140, every=True)
    for words in ("layers.2.norm", "Scale", "f32[1, 1, 8]", "864", "768", "24 more numbers in buffers"):
        assert words in shown
    assert "--all" not in shown


def test_equal_layers_are_one_row_with_the_count_of_each() -> None:
    found = summary(graph_of(STACK), {"B": 1, "T": 1})
    (layers,) = [row for row in found.folded if row.path == "layers"]
    assert (layers.kind, layers.copies) == ("3 x Layer", 3)
    assert layers.each is not None and layers.each.parameters == 288 and layers.counts.parameters == 864
    paths = [row.path for row in found.folded]
    assert "layers.0.up" in paths and not any(path.startswith("layers.1") for path in paths)
    line = next(line for line in str(found).splitlines() if "3 x Layer" in line)
    assert "3 x 288" in line and "3 x 256" in line, "both counts are those of each copy"
    assert "every row with --all" in str(found)


def test_layers_that_differ_are_rows_of_their_own() -> None:
    text = """net 1.0
block Layer(w)(x: [B, D]) -> [B, w] {
  return x -> a: Linear(w) -> relu
}
model M(x: f32[B, 4]) -> y: f32[B, 8] {
  return x -> layers: for i in 0..3 { Layer(8) }
}
"""
    found = summary(graph_of(text))
    kinds = {row.path: row.kind for row in found.folded}
    assert kinds["layers.0"] == "Layer" and kinds["layers.1–2"] == "2 x Layer"


def test_a_shared_layer_is_not_counted_each_time() -> None:
    text = """net 1.0
block Layer()(x: [B, D]) -> [B, D] {
  return x -> a: Linear(D) -> relu
}
model M(x: f32[B, 4]) -> y: f32[B, 4] {
  return x -> layers: Layer * 3 shared
}
"""
    found = summary(graph_of(text))
    assert found.totals.parameters == 20
    assert "3 x 20" not in found.text(160)


def test_blocks_of_the_library_are_closed() -> None:
    text = """net 1.0
model M(x: f32[B, T, 8]) -> y: f32[B, T, 8] {
  return x -> at: SinusoidalPositions -> a: Linear(8)
}
"""
    found = summary(graph_of(text))
    assert [row.path for row in found.folded] == ["x", "at", "a"]
    assert len(found.rows) > len(found.folded)


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("sizes", [{}, {"B": 1, "H": 224, "W": 224}])
def test_a_table_fits_and_breaks_nothing(width: int, sizes: dict[str, int]) -> None:
    (model,) = check(open_module(ROOT / "examples" / "resnet50.net")).models.values()
    found = summary(build(model), sizes)
    shown = found.text(width)
    assert max(map(len, shown.splitlines())) <= width
    for row in found.folded:
        assert row.label in shown and row.kind in shown
        for part in row.type.split(", "):
            assert part in shown, "a shape may continue on the next line, but a size is never broken"
    assert ("--size H=.." in shown) == (not sizes)


def test_a_summary_prints_itself(capsys: pytest.CaptureFixture[str]) -> None:
    found = summary(graph_of(STACK))
    print(repr(found))
    assert capsys.readouterr().out.startswith(" label")
    assert all(len(line) <= NARROW + 20 for line in repr(found).splitlines())


def test_the_dict_is_json() -> None:
    found = summary(graph_of(STACK), {"B": 1, "T": 1})
    again = json.loads(json.dumps(found.as_dict()))
    assert again["totals"]["parameters"] == 864 and again["rows"][1]["kind"] == "3 x Layer"


def test_numbers_as_people_read_them() -> None:
    assert number_text(61706) == "61,706"
    assert number_text(416_520, short=True) == "416.5k"
    assert number_text(61_706, short=True) == "61,706"
    assert bytes_text(246_824) == "241.0 KiB"
    assert bytes_text(12) == "12 B"


def test_a_large_summary_prints_the_levels_that_fit_a_screen() -> None:
    (model,) = check(open_module(ROOT / "examples" / "resnet50.net")).models.values()
    found = summary(build(model))
    shown = str(found)
    assert (
        len(shown.splitlines()) < 50
        and "5 x Bottleneck" in shown
        and "ConvBN" not in shown.partition("stage")[2]
    )
    assert "rows inside these are left out: print(summary.text(100))" in shown
    assert "ConvBN" in found.text(100).partition("stage")[2]


def test_a_long_table_measures_each_row_once() -> None:
    reads = 0

    class Cells(list[str]):
        def __iter__(self) -> Iterator[str]:
            nonlocal reads
            reads += 1
            return super().__iter__()

    table = Table([Cells(["a", "b", "c"]) for _ in range(300)], " ")
    assert len(list(table.lines())) == 302
    assert reads < 10 * 300
