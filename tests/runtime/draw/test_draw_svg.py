"""Drawings as SVG and HTML: what stands in them, that text fits and is escaped, folding, and speed."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from draw_models import ALL, BIDIRECTIONAL, CHAIN, SIAMESE, STAGES, TRANSFORMER, graph_of, model_of

from netdsl.checker import check
from netdsl.graph import build
from netdsl.model import Parameter
from netdsl.ops.create.create import Constant
from netruntime.draw import block_docs, draw_dot, draw_html, draw_svg
from netruntime.draw.boxes import measure
from netruntime.draw.building import build_scene
from netruntime.draw.layout.geometry import Measures
from netruntime.draw.layout.layers import build_levels
from netruntime.draw.layout.placing import place
from netruntime.draw.scene import SceneItem, default_folds
from netruntime.draw.style import text_width
from netruntime.draw.svg import rounded
from netruntime.engine.loading import open_module

SVG = "{http://www.w3.org/2000/svg}"
FONT_SIZES = {"t": 13.0, "d": 11.0, "l": 13.0, "badge": 11.0}


def items_of(svg: str) -> list[ElementTree.Element]:
    """The drawn boxes and groups, but not the whole model."""
    root = ElementTree.fromstring(svg)
    return [e for e in root.iter(f"{SVG}g") if e.get("data-i") not in (None, "0")]


def tooltip(element: ElementTree.Element) -> str:
    return element.findtext(f"{SVG}title") or ""


def is_group(element: ElementTree.Element) -> bool:
    return element.get("class") in ("open", "shut")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("direction", ["down", "right"])
def test_a_drawing_is_xml_without_outside_references(name: str, direction: str) -> None:
    svg = draw_svg(graph_of(ALL[name]), direction=direction)  # type: ignore[arg-type]  # one of the two words
    ElementTree.fromstring(svg)
    addresses = set(re.findall(r"https?://[^\s\"'<]+", svg))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_every_operator_that_is_not_hidden_is_drawn_once() -> None:
    graph = graph_of(SIAMESE)
    shown = [d.label for _, d in graph.operators() if not isinstance(d.op, Parameter | Constant)]
    drawn = Counter(tooltip(e).split(":")[0] for e in items_of(draw_svg(graph)) if not is_group(e))
    # A block of one operator is one box, under the block's label.
    assert drawn == Counter(label.replace(".linear", "") for label in shown)


def test_parameters_are_counted_in_the_box_that_uses_them() -> None:
    texts = " ".join("".join(e.itertext()) for e in items_of(draw_svg(graph_of(CHAIN))))
    assert "[B, 16] · 144 params" in texts and "[B, 4] · 68 params" in texts
    assert "weight" not in texts.replace("shares its weights", "")


def test_shared_weights_are_counted_in_the_first_use_only() -> None:
    tips = [tooltip(e) for e in items_of(draw_svg(graph_of(SIAMESE))) if is_group(e)]
    assert "56 parameters" in tips[0] and "shares its weights" in tips[1]


def test_equal_layers_are_drawn_once_with_their_count() -> None:
    svg = draw_svg(graph_of(TRANSFORMER))
    groups = [e for e in items_of(svg) if is_group(e)]
    paths = [tooltip(e).splitlines()[0] for e in groups]
    assert "encoder.0: EncoderLayer × 6" in paths and "decoder.0: DecoderLayer × 6" in paths
    assert not any("encoder.1" in path for path in paths)
    (encoder,) = [e for e in groups if tooltip(e).startswith("encoder.0:")]
    opened = encoder.find(f"{SVG}g[@class='opened']")
    assert opened is not None
    assert len(opened.findall(f"{SVG}rect[@class='under']")) == 2, "cards behind the group"
    assert "×6" in "".join(opened.itertext())


def test_layers_that_differ_are_not_taken_together() -> None:
    scene = build_scene(graph_of(STAGES))
    found = [(item.path, item.copies) for item in scene.root.walk() if item.title == "Unit"]
    # The first unit of each stage has a shortcut; the last four are one layer used four times.
    assert found == [("stage.0.0", 1), ("stage.0.1", 2), ("stage.1.0", 1), ("stage.1.1", 2), ("tie", 4)]


def test_groups_of_other_operators_or_other_wires_are_not_taken_together() -> None:
    text = """net 1.0
block Mix(act)(x: [B, D], y: [B, D]) -> [B, D] {
  return maximum(act(x), y)
}
model M(x: f32[B, 4], y: f32[B, 4]) -> z: f32[B, 4] {
  a = Mix(relu)(x, y)
  b = Mix(tanh)(x, a)
  c = Mix(tanh)(x, b)
  d = Mix(tanh)(y, c)
  return d
}
"""
    scene = build_scene(graph_of(text))
    found = [(item.label, item.copies) for item in scene.root.walk() if item.title == "Mix"]
    assert found == [("a", 1), ("b–c", 2), ("d", 1)]


def test_a_value_added_to_itself_is_no_joining_circle() -> None:
    text = "net 1.0\nmodel M(x: f32[B]) -> y: f32[B] { return tanh(x + x) + x }\n"
    kinds = [item.kind for item in build_scene(graph_of(text)).root.children]
    assert kinds == ["input", "op", "op", "join", "output"]


def test_uses_of_a_layer_side_by_side_are_not_taken_together() -> None:
    items = build_scene(graph_of(SIAMESE)).root.walk()
    assert [item.copies for item in items if item.title == "Tower"] == [1, 1]


def test_the_default_depth_opens_the_layers_and_not_their_attention() -> None:
    scene = build_scene(graph_of(TRANSFORMER))
    folded = {item.path for item in default_folds(scene, None)}
    assert "encoder.0" not in folded and "decoder.0" not in folded
    assert {"encoder.0.attn", "decoder.0.self_attn", "decoder.0.cross_attn"} <= folded


def test_depth_closes_groups_that_a_reader_can_open() -> None:
    states = [e.get("class") for e in items_of(draw_svg(graph_of(TRANSFORMER), depth=1)) if is_group(e)]
    assert set(states) == {"shut"} and len(states) > 4


def test_the_cell_of_a_scan_is_a_group_with_a_loop() -> None:
    scene = build_scene(graph_of(BIDIRECTIONAL))
    cells = [item for item in scene.root.children if item.loop]
    assert [cell.label for cell in cells] == ["fwd", "bwd"]
    assert [c.label for c in cells[0].children if c.kind == "input"] == ["x", "h", "c"]
    assert cells[0].parameters == 16 * 128 + 32 * 128 + 128
    held = [c.parameters for c in cells[0].children if c.parameters]
    assert held == [16 * 128, 32 * 128, 128], "each in the operator of the cell that uses it"
    names = {edge.source.path: edge.target.path for edge in scene.edges if edge.back}
    assert names["fwd.next_h"] == "fwd.h" and names["bwd.next_c"] == "bwd.c"
    svg = draw_svg(graph_of(BIDIRECTIONAL))
    assert len(re.findall(r'class="(?:bar|pill state)', svg)) >= 6


def test_user_text_is_escaped() -> None:
    model = model_of(TRANSFORMER)
    svg = draw_svg(build(model), docs=block_docs(model), title='<&"]]>\x0b</svg>')
    root = ElementTree.fromstring(svg)
    assert root.findtext(f"{SVG}title") == '<&"]]></svg>'
    tips = [tooltip(e) for e in items_of(svg) if tooltip(e).startswith("src_embed:")]
    assert 'Puts <b>words</b> into vectors & scales "them" ]]> </script> </title>.' in tips[0]
    (script,) = root.iter(f"{SVG}script")
    assert "words" not in (script.text or "")


def test_a_tooltip_has_shape_parameters_and_the_line() -> None:
    (tip,) = [tooltip(e) for e in items_of(draw_svg(graph_of(CHAIN))) if tooltip(e).startswith("a:")]
    assert tip.splitlines() == [
        "a: Linear",
        "[B, 16]",
        "144 parameters",
        "<text>:3:18  return x -> a: Linear(16) -> relu -> b: Linear(4) -> tanh",
    ]


def text_extent(text: ElementTree.Element) -> tuple[float, float]:
    """The left and right end of a line of text, by the table of widths."""
    classes = (text.get("class") or "").split()
    size = FONT_SIZES[classes[0]]
    width = text_width(text.text or "", size, bold=classes[0] == "t")
    for span in text.iter(f"{SVG}tspan"):
        kind = span.get("class") or ""
        width += float(span.get("dx", "0")) + text_width(span.text or "", FONT_SIZES[kind], kind == "badge")
    x = float(text.get("x", "0"))
    start = x - width / 2 if "m" in classes else x - width if "end" in classes else x
    return start, start + width


@pytest.mark.parametrize("name", ALL)
def test_no_text_is_wider_than_its_box(name: str) -> None:
    seen = 0
    for element in items_of(draw_svg(graph_of(ALL[name]), depth=99)):
        for view in (element, *element.findall(f"{SVG}g[@class]")):
            boxes = [r for r in view.findall(f"{SVG}rect") if r.get("class") != "under"]
            for text in view.findall(f"{SVG}text"):
                left, right = text_extent(text)
                assert left >= 4 and right <= float(boxes[0].get("width", "0")) - 4, "".join(text.itertext())
                seen += 1
    assert seen > 4


def test_header_texts_do_not_meet() -> None:
    for element in items_of(draw_svg(graph_of(TRANSFORMER), depth=99)):
        opened = element.find(f"{SVG}g[@class='opened']")
        texts = sorted(map(text_extent, opened.findall(f"{SVG}text"))) if opened is not None else []
        assert all(a[1] < b[0] for a, b in pairwise(texts))


def test_long_names_are_never_cut() -> None:
    label = "a_very_long_label_" * 12
    svg = draw_svg(graph_of(CHAIN.replace("a: Linear", f"{label}: Linear")))
    shown = re.sub(r"<title>.*?</title>", "", svg, flags=re.DOTALL)
    assert label in shown and "…" not in shown


def test_long_shapes_take_several_lines() -> None:
    text = """net 1.0
model M(x: f32[Batch_of_images, 3, Height_of_image, Width_of_image]) {
  return x -> Conv(8, 3, stride=2)
}
"""
    (box,) = [e for e in items_of(draw_svg(graph_of(text))) if tooltip(e).startswith("conv:")]
    _, *lines = ("".join(t.itertext()) for t in box.iter(f"{SVG}text"))
    assert len(lines) == 3 and lines[2] == "224 params"
    assert " ".join(lines[:2]) in tooltip(box) and lines[0].endswith(",")


def test_sizes_take_the_place_of_symbols() -> None:
    graph = graph_of(CHAIN)
    bound = draw_svg(graph, sizes={"B": 7})
    assert "[7, 16]" in bound and "[B, 16]" not in bound and "[B, 16]" in draw_svg(graph)


def test_buffers_are_not_counted_as_parameters() -> None:
    text = """net 1.0
model M(image: f32[B, 3, 8, 8]) -> y: f32[B, 4, 8, 8] {
  return image -> a: Conv(4, 1) -> bn: BatchNorm
}
"""
    scene = build_scene(graph_of(text))
    (norm,) = [item for item in scene.root.walk() if item.label == "bn" or item.path == "bn"]
    assert (norm.parameters, norm.buffers) == (8, 8)
    assert (scene.root.parameters, scene.root.buffers) == (3 * 4 + 4 + 8, 8)
    assert "8 numbers in buffers, not trained" in norm.tooltip


def test_copies_say_that_each_has_as_many() -> None:
    svg = draw_svg(graph_of(TRANSFORMER), depth=1)
    texts = [t for e in items_of(svg) for t in ("".join(x.itertext()) for x in e.iter(f"{SVG}text"))]
    assert any(re.search(r"params each$", text) for text in texts)


def test_a_state_returns_to_the_next_step_and_backward_scans_are_marked() -> None:
    svg = draw_svg(graph_of(BIDIRECTIONAL), depth=9)
    assert svg.count('class="wire back"') == 4, "h and c of both directions"
    badges = [b.text for b in ElementTree.fromstring(svg).iter(f"{SVG}tspan") if b.get("class") == "badge"]
    assert "backward" in badges and svg.count("scale(-1 1)") >= 1


def test_no_drawing_holds_the_folder_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "secret" / "chain.net"
    path.parent.mkdir()
    path.write_text(CHAIN, encoding="utf-8")
    (model,) = check(open_module(path)).models.values()
    for text in (draw_svg(build(model)), draw_html(build(model)), draw_dot(build(model))):
        assert "secret" not in text and "chain.net:" in text


def test_several_models_are_drawn_together() -> None:
    graphs = [graph_of(CHAIN), graph_of(CHAIN.replace("model ", "model Second", 1))]
    svg = draw_svg(graphs, depth=1)
    assert len(items_of(svg)) > 2 * 5 and svg.count('class="open"') == 3
    names = [tooltip(e).partition("\n")[0] for e in items_of(svg) if e.get("class") == "open"]
    assert names == [graph.name for graph in graphs]


def test_text_widths_grow_with_wide_letters() -> None:
    assert text_width("iiii", 10) < text_width("nnnn", 10) < text_width("WWWW", 10)
    assert text_width("漢", 10) == 10


def test_corners_are_round_and_short_ones_smaller() -> None:
    assert rounded([(0, 0), (0, 20), (30, 20)]) == "M0 0L0 13Q0 20 7 20L30 20"
    assert rounded([(0, 0), (0, 4), (30, 4)]) == "M0 0L0 2Q0 4 7 4L30 4"
    assert rounded([(0, 0), (0, 0), (0, 9)]) == "M0 0L0 9"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass


def test_the_page_holds_the_drawing_and_escapes_its_title() -> None:
    page = draw_html(graph_of(TRANSFORMER), title="</title> TITLE DRAWING <b>")
    assert "<title>&lt;/title&gt; TITLE DRAWING &lt;b&gt;</title>" in page
    assert page.count("<svg ") == 1 and "CDATA" not in page
    tags = _Tags()
    tags.feed(page)
    assert len(tags.scripts) == 2 and "foldAll" in tags.scripts[0] and "wheel" in tags.scripts[1]
    for words in ("Unfold all", "Fold all", "Save SVG", 'type="search"', "Legend", " parameters"):
        assert words in page
    assert page.count('role="button" aria-expanded="') == page.count('tabindex="0"') > 8
    assert tags.open == ["html", "meta", "meta"] or "svg" not in tags.open


@pytest.mark.parametrize("direction", ["down", "right"])
@pytest.mark.parametrize("depth", [1, 2, 99])
@pytest.mark.parametrize("name", ALL)
def test_the_script_lays_out_as_python_does(name: str, depth: int, direction: str) -> None:
    racer = pytest.importorskip("py_mini_racer", reason="V8 is not installed: pip install mini-racer")
    graph = graph_of(ALL[name])
    root = ElementTree.fromstring(draw_svg(graph, depth=depth, direction=direction))  # type: ignore[arg-type]  # a word of the two
    scripts = list(root.iter(f"{SVG}script"))
    if not scripts:
        return
    shim = "const svg={querySelectorAll:()=>[],addEventListener(){}};"
    shim += "const document={currentScript:{ownerSVGElement:svg}};"
    theirs = json.loads(racer.MiniRacer().eval(f"{shim}{scripts[0].text}\nJSON.stringify(svg.layOut())"))
    scene = build_scene(graph)
    items: list[SceneItem] = list(scene.root.walk())
    sizes = {item: measure(item) for item in items}
    measures = Measures(build_levels(scene), sizes, direction == "down")
    ours = place(measures, scene.root, default_folds(scene, depth))
    assert set(theirs) == {str(items.index(group)) for group in ours}, name
    for group, placed in ours.items():
        found = theirs[str(items.index(group))]
        # The sizes in the drawing are rounded to a hundredth of a pixel.
        assert [found["w"], found["h"]] == pytest.approx([placed.width, placed.height], abs=0.2), name
        boxes = {str(items.index(i)): [b.x, b.y, b.width, b.height] for i, b in placed.boxes.items()}
        assert set(found["boxes"]) == set(boxes)
        for key, box in boxes.items():
            assert list(found["boxes"][key].values()) == pytest.approx(box, abs=0.2), name
        for line, points in zip((*placed.paths, *placed.backs), found["lines"], strict=True):
            assert len(points) == len(line.points)
            for point, other in zip(line.points, points, strict=True):
                assert other == pytest.approx(list(point), abs=0.2), name


def test_three_thousand_operators_take_less_than_two_seconds() -> None:
    units = "\n    -> ".join(f"r{n}: Unit({64 + n})" for n in range(335))
    text = f"""net 1.0
block Unit(w)(x: [B, D]) -> [B, D] {{
  return x -> residual {{ a: Linear(w) -> relu -> b: Linear(D) -> tanh }}
}}
model Big(x: f32[B, 64]) -> y: f32[B, 64] {{
  return x
    -> {units}
}}
"""
    graph = graph_of(text)
    assert len(graph) > 3000
    start = time.process_time()
    svg = draw_svg(graph, depth=99)
    assert time.process_time() - start < 2
    assert svg.count('class="join"') == 335
