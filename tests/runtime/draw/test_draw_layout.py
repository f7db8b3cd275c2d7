"""Layouts: nothing overlaps, every line runs from border to border and round the boxes between."""

from __future__ import annotations

from itertools import pairwise

import pytest
from draw_models import ALL, TRANSFORMER, graph_of

from netruntime.draw.boxes import measure
from netruntime.draw.building import build_scene
from netruntime.draw.layout.geometry import HEADER, STACK, Box, Measures, Placed
from netruntime.draw.layout.layers import Level, build_levels
from netruntime.draw.layout.placing import place
from netruntime.draw.scene import SceneItem, default_folds

Laid = list[tuple[SceneItem, Level, Placed]]

CASES = [
    pytest.param(text, depth, down, id=f"{name}-{depth}-{'down' if down else 'right'}")
    for name, text in ALL.items()
    for depth in (1, 2, 99)
    for down in (True, False)
]


def lay_out(text: str, depth: int | None, down: bool) -> Laid:
    scene = build_scene(graph_of(text))
    levels = build_levels(scene)
    sizes = {item: measure(item) for item in scene.root.walk()}
    placed = place(Measures(levels, sizes, down), scene.root, default_folds(scene, depth))
    return [(group, levels[group], placed[group]) for group in placed]


def outline(item: SceneItem, box: Box) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, with the cards behind a repeated item."""
    stack = STACK if item.copies > 1 else 0
    return box.x, box.y, box.x + box.width + stack, box.y + box.height + stack


@pytest.mark.parametrize(("text", "depth", "down"), CASES)
def test_boxes_lie_apart_and_inside_their_group(text: str, depth: int, down: bool) -> None:
    for group, _, placed in lay_out(text, depth, down):
        assert set(placed.boxes) == set(group.children)
        frames = [outline(item, box) for item, box in placed.boxes.items()]
        for left, top, right, bottom in frames:
            assert left >= 0 and top >= 0 and right <= placed.width and bottom <= placed.height
        for n, (left, top, right, bottom) in enumerate(frames):
            for other in frames[:n]:
                apart = other[2] < left or right < other[0] or other[3] < top or bottom < other[1]
                assert apart, f"two boxes of {group.path or 'the model'} overlap"


@pytest.mark.parametrize(("text", "depth", "down"), CASES)
def test_lines_run_from_border_to_border(text: str, depth: int, down: bool) -> None:
    for _, level, placed in lay_out(text, depth, down):
        for line, route in zip(placed.paths, level.routes, strict=True):
            source = route[0].upper.item
            x, y = line.points[0]
            if source is not None:
                box = placed.boxes[source]
                assert y == box.y + box.height and box.x < x < box.x + box.width
            assert line.target is route[-1].lower.item
            x, y = line.points[-1]
            if line.target is None:
                assert y == placed.height and 0 < x < placed.width
            else:
                box = placed.boxes[line.target]
                enters_top = y == box.y and box.x < x < box.x + box.width
                at_side = y == box.y + box.height / 2 and x in (box.x, box.x + box.width)
                assert enters_top or (at_side and line.target.kind == "join")


@pytest.mark.parametrize(("text", "depth", "down"), CASES)
def test_lines_go_round_the_boxes_between(text: str, depth: int, down: bool) -> None:
    for _, level, placed in lay_out(text, depth, down):
        for line, route in zip(placed.paths, level.routes, strict=True):
            ends = {route[0].upper.item, line.target}
            for item, box in placed.boxes.items():
                if item in ends:
                    continue
                left, top, right, bottom = outline(item, box)
                for (ax, ay), (bx, by) in pairwise(line.points):
                    beside = max(ax, bx) < left or min(ax, bx) > right
                    assert beside or max(ay, by) < top or min(ay, by) > bottom, f"a line crosses {item.path}"


def test_values_cross_the_border_of_a_group_where_they_go_on_inside() -> None:
    laid = {group.path: placed for group, _, placed in lay_out(TRANSFORMER, 99, True)}
    placed, inner = laid["encoder.0"], laid["encoder.0.attn"]
    (attention,) = [item for item in placed.boxes if item.label == "attn"]
    box = placed.boxes[attention]
    entering = sorted(line.points[-1][0] for line in placed.paths if line.target is attention)
    assert entering == pytest.approx(sorted(box.x + x for x in inner.entries))
    starts = {line.points[0][0] for line in inner.paths if line.points[0][1] == HEADER}
    assert starts == set(inner.entries)


def test_a_skip_runs_beside_the_body_and_enters_the_circle_from_the_side() -> None:
    laid = {group.path: placed for group, _, placed in lay_out(TRANSFORMER, 2, True)}
    placed = laid["encoder.0"]
    circles = [item for item in placed.boxes if item.kind == "join"]
    assert len(circles) == 2
    for circle in circles:
        box = placed.boxes[circle]
        ends = sorted(line.points[-1][1] - box.y for line in placed.paths if line.target is circle)
        assert ends == [0, box.height / 2], "one value from above, the skip at half height"


def test_the_main_way_is_straight() -> None:
    (_, _, placed), *_ = lay_out(ALL["chain"], None, True)
    for line in placed.paths:
        assert len(line.points) == 2 and line.points[0][0] == pytest.approx(line.points[1][0])


@pytest.mark.parametrize("down", [True, False])
def test_a_line_that_passes_layers_keeps_to_one_lane(down: bool) -> None:
    longest = 0
    for _, level, placed in lay_out(TRANSFORMER, 2, down):
        for line, route in zip(placed.paths, level.routes, strict=True):
            longest = max(longest, len(route))
            assert len(line.points) <= 6, "from its source to the lane, along it, and to its target"
            if len(route) > 2:
                assert all(a[0] == b[0] for a, b in pairwise(line.points) if abs(a[1] - b[1]) > 100)
    assert longest > 4
