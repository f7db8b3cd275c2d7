"""Charts: what stands where, in both files."""

from __future__ import annotations

import base64
import io
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from netruntime.charts import (
    Chart,
    Series,
    draw_heat_map,
    draw_image_grid,
    draw_line_charts,
    heat_map,
    image_grid,
    line_chart,
    line_charts,
    to_svg,
)
from netruntime.charts.canvas import Bitmap, Canvas, Caption, Polyline, Rect
from netruntime.charts.ticks import linear_axis, log_axis
from netruntime.charts.to_png import to_png
from netruntime.errors import MissingExtraError

SVG = "{http://www.w3.org/2000/svg}"
RISING = Series("training", [0, 1, 2], [0.0, 0.5, 1.0])


def labels(canvas: Canvas) -> list[str]:
    return [mark.text for mark in canvas.marks if isinstance(mark, Caption)]


def lines(canvas: Canvas, colour: str) -> list[Polyline]:
    """The lines of a series, without the mark in the legend."""
    return [
        mark
        for mark in canvas.marks
        if isinstance(mark, Polyline) and mark.colour == colour and mark.width != 2.0
    ] or [mark for mark in canvas.marks if isinstance(mark, Polyline) and mark.colour == colour][1:]


def pixels(canvas: Canvas) -> np.ndarray:
    """The pixels of the PNG, `[H, W, 3]`."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install netdsl[image]")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install netdsl[plots]")
    return np.asarray(image.open(io.BytesIO(to_png(canvas))).convert("RGB"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1], ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([0.61, 0.98], ["0.6", "0.7", "0.8", "0.9", "1.0"]),
        ([0, 9000], ["0", "2,000", "4,000", "6,000", "8,000", "10,000"]),
        ([-3, 7], ["-4", "-2", "0", "2", "4", "6", "8"]),
        ([0, 1e-3], ["0", "2e-4", "4e-4", "6e-4", "8e-4", "1e-3"]),
        ([0, 4e6], ["0", "1e6", "2e6", "3e6", "4e6"]),
        ([5, 5], ["2", "3", "4", "5", "6", "7", "8"]),
        ([0, 0], ["-1.0", "-0.5", "0", "0.5", "1.0"]),
        ([], ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ],
)
def test_ticks_are_round(values: list[float], expected: list[str]) -> None:
    axis = linear_axis(values)
    assert [text for _, text in axis.ticks] == expected
    assert all(0 <= axis.place(value) <= 1 for value in values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, 70], ["2", "5", "10", "20", "50", "100"]),
        ([0.5, 3e3], ["0.1", "1", "10", "100", "1,000", "10,000"]),
        ([1e-12, 1], ["1e-12", "1e-10", "1e-8", "1e-6", "1e-4", "0.01", "1"]),
        (
            [6e-32, 5.6e6],
            ["1e-35", "1e-30", "1e-25", "1e-20", "1e-15", "1e-10", "1e-5", "1", "100,000", "1e10"],
        ),
        ([-1, 0], ["1", "2", "5", "10"]),
        ([10, 10], ["10", "20", "50", "100"]),
    ],
)
def test_ticks_of_logarithmic_axes(values: list[float], expected: list[str]) -> None:
    axis = log_axis(values)
    assert [text for _, text in axis.ticks] == expected
    assert all(0 <= axis.place(value) <= 1 for value in values if value > 0)


def test_a_line_goes_through_its_points() -> None:
    canvas = draw_line_charts([Chart("loss", (RISING,), "step", "value")])
    assert {"loss", "training", "step", "value"} <= set(labels(canvas))
    (line,) = lines(canvas, "blue")
    (x0, y0), (x1, y1), (x2, y2) = line.points
    assert x0 < x1 < x2 and x1 - x0 == pytest.approx(x2 - x1)
    assert y0 > y1 > y2 and y0 - y1 == pytest.approx(y1 - y2)


def test_gaps_where_values_are_not_finite() -> None:
    series = Series("", range(6), [1, 2, np.nan, 3, np.inf, 4])
    canvas = draw_line_charts([Chart("", (series,))])
    found = [m for m in canvas.marks if isinstance(m, Polyline) and m.colour == "blue"]
    assert [len(line.points) for line in found] == [2, 2, 2]  # the last two stand alone, as short strokes
    assert [t for t in labels(canvas) if t in "14"] == ["1", "4", "1", "4"]


def test_values_that_a_logarithmic_axis_cannot_show_are_gaps() -> None:
    canvas = draw_line_charts([Chart("", (Series("", range(4), [10, 0, -1, 100]),), log_y=True)])
    assert len([m for m in canvas.marks if isinstance(m, Polyline) and m.colour == "blue"]) == 2


def test_series_of_one_name_share_a_colour_and_faint_ones_are_not_in_the_legend() -> None:
    faint = Series("training", [0, 1, 2], [0, 1, 2], faint=True)
    canvas = draw_line_charts([Chart("", (faint, RISING, Series("validation", [0], [1], dashed=True)))])
    assert labels(canvas).count("training") == 1
    assert {m.opacity for m in canvas.marks if isinstance(m, Polyline) and m.colour == "blue"} == {0.35, 1.0}
    assert any(isinstance(m, Polyline) and m.colour == "orange" and m.dashed for m in canvas.marks)


def test_nothing_to_show() -> None:
    for series in ((), (Series("a", [], []),), (Series("a", [1, 2], [np.nan, np.nan]),)):
        canvas = draw_line_charts([Chart("loss", series)])
        assert "nothing to show" in labels(canvas)
        ET.fromstring(to_svg(canvas))


def test_very_many_points_keep_their_extremes() -> None:
    y = np.zeros(100_000)
    y[31_234], y[77_777], y[5:9] = 5.0, -5.0, np.nan
    canvas = draw_line_charts([Chart("", (Series("", range(len(y)), y),))])
    (line,) = [m for m in canvas.marks if isinstance(m, Polyline) and m.colour == "blue"]
    heights = [height for _, height in line.points]
    assert len(heights) <= 1200
    assert min(heights) < heights[0] < max(heights)


def test_series_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"'a' has x of shape \(2,\) and y of shape \(3,\)"):
        draw_line_charts([Chart("", (Series("a", [1, 2], [1, 2, 3]),))])


def test_charts_side_by_side() -> None:
    canvas = draw_line_charts([Chart(str(n), (RISING,)) for n in range(3)], columns=2, title="all")
    assert (canvas.width, canvas.height) == (1280, 634)
    assert canvas.title == "all"


def test_a_heat_map_shades_by_value() -> None:
    matrix = np.array([[4, 0], [-2, np.nan]])
    canvas = draw_heat_map(
        matrix, ["a", "b"], ["c", "d"], title="T", row_axis="true", column_axis="predicted"
    )
    cells = [m for m in canvas.marks if isinstance(m, Rect)]
    assert [(c.colour, round(c.opacity, 3)) for c in cells] == [
        ("blue", 0.9),
        ("blue", 0.05),
        ("red", 0.651),
        ("blue", 0.05),
    ]
    assert labels(canvas) == ["T", "4", "·", "-2", "–", "a", "b", "c", "d", "predicted", "true"]
    (told,) = [m for m in canvas.marks if isinstance(m, Caption) and m.text == "4"]
    assert told.colour == "page"  # light on dark


def test_long_names_of_columns_are_turned() -> None:
    canvas = draw_heat_map(np.eye(2), ["a", "b"], ["twenty-first", "nine"])
    assert [m.turned for m in canvas.marks if isinstance(m, Caption) and m.text == "nine"] == [True]


def test_matrices_that_do_not_fit_their_labels() -> None:
    with pytest.raises(ValueError, match=r"has shape \[2, 3\], but its labels \[2, 2\]"):
        draw_heat_map(np.zeros((2, 3)), "ab", "cd")
    with pytest.raises(ValueError):
        draw_heat_map(np.zeros((0, 0)), [], [])


def test_a_grid_of_images_is_sharp_and_true() -> None:
    image = np.array([[0, 8], [16, 4]])
    canvas = draw_image_grid([image, image * 0], columns=2, titles=["one", "two"], title="digits")
    pictures = [m for m in canvas.marks if isinstance(m, Bitmap)]
    assert pictures[0].pixels.tolist() == [[0, 128], [255, 64]]
    assert pictures[1].pixels.tolist() == [[0, 0], [0, 0]]
    drawn = pixels(canvas)
    first = pictures[0]
    for row, column in np.ndindex(2, 2):
        y = int(2 * (first.y + first.height * (0.25 + row / 2)))
        x = int(2 * (first.x + first.width * (0.25 + column / 2)))
        assert drawn[y, x].tolist() == [first.pixels[row, column]] * 3


def test_images_in_svg_hold_their_pixels() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install netdsl[image]")
    colours = np.random.default_rng(0).integers(0, 256, (3, 5, 4))
    for array in (colours, colours[:1], colours[0]):
        canvas = draw_image_grid([array], columns=1, limits=(0, 255))
        (element,) = ET.fromstring(to_svg(canvas)).iter(f"{SVG}image")
        data = base64.b64decode(element.attrib["href"].partition(",")[2])
        found = np.asarray(image.open(io.BytesIO(data)))
        expected = array if array.ndim == 2 else array[0] if len(array) == 1 else np.moveaxis(array, 0, -1)
        np.testing.assert_array_equal(found, expected)


def test_arrays_that_are_no_images() -> None:
    with pytest.raises(ValueError, match=r"but is \[2, 3, 3\]"):
        draw_image_grid([np.zeros((2, 3, 3))], 1)
    with pytest.raises(ValueError, match="0 images"):
        draw_image_grid([], 1)
    with pytest.raises(ValueError, match="1 images and 2 titles"):
        draw_image_grid([np.zeros((2, 2))], 1, titles=["a", "b"])


def test_svg_is_well_formed_whatever_the_texts() -> None:
    title = "loss <of> \"A\" & 'B' \x00\x1b"
    text = to_svg(draw_line_charts([Chart(title, (Series("<a>", [0, 1], [0, 1]),), "<x>", "&y")]))
    root = ET.fromstring(text)
    told = [element.text for element in root.iter(f"{SVG}text")]
    assert "loss <of> \"A\" & 'B' " in told and "<a>" in told and "&y" in told
    assert re.search(r"prefers-color-scheme:dark", text)
    assert re.search(r"nan|inf(?!o)", text) is None


def test_a_png_is_twice_the_size_with_lines_in_their_colours() -> None:
    canvas = draw_line_charts([Chart("loss", (RISING,))])
    drawn = pixels(canvas)
    assert drawn.shape == (600, 1280, 3)
    (line,) = lines(canvas, "blue")
    x, y = line.points[1]
    assert drawn[int(2 * y), int(2 * x)].tolist() == [0x2F, 0x6F, 0xC4]
    assert drawn[0, 0].tolist() == [255, 255, 255]


def test_marks_of_a_png_lie_over_one_another_in_their_order() -> None:
    canvas = Canvas(40, 20)
    canvas.add(Polyline(((0, 10), (40, 10)), "red", 4.0), Rect(10, 0, 20, 20, "blue"))
    drawn = pixels(canvas)
    assert drawn[20, 40].tolist() == [0x2F, 0x6F, 0xC4]
    assert drawn[20, 10].tolist() == [0xC6, 0x47, 0x3F]


def test_captions_of_a_png_are_read_where_they_are_put() -> None:
    upright, turned = Canvas(60, 60), Canvas(60, 60)
    upright.add(Caption(30, 30, "name", 11, anchor="end"))
    turned.add(Caption(30, 30, "name", 11, anchor="end", turned=True))
    for canvas, (low, high) in ((upright, (0, 30)), (turned, (30, 60))):
        rows, columns, _ = (pixels(canvas) < 255).nonzero()
        along, across = (rows, columns) if canvas is turned else (columns, rows)
        assert low <= along.min() / 2 and along.max() / 2 <= high + 1
        assert across.min() / 2 >= 20 and across.max() / 2 <= 35


def test_charts_are_svg_and_also_png_where_the_name_asks_for_it(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install netdsl[plots]")
    path = tmp_path / "new" / "a.svg"
    assert line_chart([RISING], "t", "x", "y", path=path) == (path,)
    assert heat_map(np.eye(2), "ab", "cd", tmp_path / "b.png") == (tmp_path / "b.svg", tmp_path / "b.png")
    assert image_grid(np.ones((2, 4, 4)), tmp_path / "c", columns=2) == (tmp_path / "c.svg",)
    assert line_charts([], tmp_path / "lr0.1") == (tmp_path / "lr0.1.svg",)
    assert {p.name for p in tmp_path.iterdir()} == {"new", "b.svg", "b.png", "c.svg", "lr0.1.svg"}


def test_a_png_without_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        MissingExtraError, match=r"needs `matplotlib`.* pip install .netdsl\[plots\]."
    ) as caught:
        line_charts([Chart("t", (RISING,))], tmp_path / "a.png")
    assert caught.value.code == "E0901" and not list(tmp_path.iterdir())
    assert line_charts([Chart("t", (RISING,))], tmp_path / "a.svg") == (tmp_path / "a.svg",)


def test_a_chart_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        line_charts([], tmp_path / "file" / "a.svg")


@pytest.mark.parametrize("last", [2, 7, 15, 40, 1000])
def test_ticks_between_integers_are_integers(last: int) -> None:
    canvas = draw_line_charts([Chart("", (Series("a", range(1, last + 1), [0.5] * last),))])
    ticks = [mark.text for mark in canvas.marks if isinstance(mark, Caption) and mark.anchor == "middle"]
    assert ticks and not any("." in tick for tick in ticks)
    axis = linear_axis([1, last], 6, tight=True, whole=True)
    assert 2 <= len(axis.ticks) <= 8 and all(value == round(value) for value, _ in axis.ticks)


def test_marks_are_upright_lines_with_their_names_inside() -> None:
    canvas = draw_line_charts([Chart("", (RISING,), marks=((2.0, "best: epoch 3"),))])
    (line,) = [mark for mark in canvas.marks if isinstance(mark, Polyline) and mark.dashed]
    assert line.points[0][0] == line.points[1][0]
    (name,) = [m for m in canvas.marks if isinstance(m, Caption) and m.text == "best: epoch 3"]
    assert name.x < line.points[0][0] and name.y < line.points[0][1]


def test_faint_dashes_can_be_seen() -> None:
    canvas = draw_line_charts([Chart("", (Series("a", [0, 1], [0, 1], dashed=True, faint=True),))])
    (line,) = [mark for mark in canvas.marks if isinstance(mark, Polyline) and mark.dashed]
    assert line.opacity >= 0.6 and line.width > 1


def test_rare_errors_are_tinted_and_zeros_are_dots() -> None:
    canvas = draw_heat_map(np.array([[36.0, 1], [0, 35]]), ["a", "b"], ["a", "b"])
    hit, error, zero, _ = [mark.opacity for mark in canvas.marks if isinstance(mark, Rect)]
    assert error > 3 * zero and hit > 3 * error
    assert labels(canvas).count("·") == 1 and "0" not in labels(canvas)
