"""DOT and Mermaid: every box declared once, every edge between declared boxes, labels escaped, depth."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from draw_models import ALL, BIDIRECTIONAL, CHAIN, TRANSFORMER, graph_of, model_of

from netdsl.graph import build
from netruntime.draw import block_docs, draw_dot, draw_mermaid
from netruntime.draw.building import build_scene
from netruntime.draw.dot import _quoted as dot_quoted
from netruntime.draw.mermaid import _quoted as mermaid_quoted
from netruntime.draw.scene import default_folds

DOT_STRING = r'"(?:[^"\\\n]|\\.)*"'
DOT_COLOURS = r'fillcolor="#[0-9a-f]{6}", color="#[0-9a-f]{6}"'
DOT_LINES = [
    rf"digraph {DOT_STRING} \{{",
    r"  rankdir=(TB|LR); compound=true;",
    r"  (node|graph|edge) \[[^\]]*\];",
    r" +subgraph cluster_\d+ \{",
    rf" +label={DOT_STRING}; tooltip={DOT_STRING}; margin=14;",
    rf" +n\d+ \[label={DOT_STRING}, tooltip={DOT_STRING}, {DOT_COLOURS}(, shape=[^\"]*)?\];",
    r"  n\d+ -> n\d+( \[style=dashed, constraint=false\])?;",
    r" *\}",
]
MERMAID_STRING = r'"[^"#<>&\\`]*(?:(?:#\d+;|<br/>)[^"#<>&\\`]*)*"'
MERMAID_LINES = [
    r"flowchart (TB|LR)",
    rf" +subgraph n\d+\[{MERMAID_STRING}\]",
    r" +end",
    rf" +n\d+(\[{MERMAID_STRING}\]|\(\[{MERMAID_STRING}\]\)|\(\({MERMAID_STRING}\)\))",
    r"  n\d+ (-->|-\.->) n\d+",
    r"  classDef \w+ fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6},color:#[0-9a-f]{6}",
    r"  class n\d+(,n\d+)* \w+",
]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("depth", [None, 1, 2])
def test_dot_is_well_formed(name: str, depth: int | None) -> None:
    model = model_of(ALL[name])
    text = draw_dot(build(model), depth=depth, docs=block_docs(model))
    for line in text.splitlines():
        assert any(re.fullmatch(form, line) for form in DOT_LINES), line
    declared = re.findall(r"^ +(n\d+) \[", text, re.MULTILINE)
    ends = {n for pair in re.findall(r"^  (n\d+) -> (n\d+)", text, re.MULTILINE) for n in pair}
    assert len(declared) == len(set(declared)) and ends <= set(declared)
    unquoted = re.sub(DOT_STRING, "", text)
    assert unquoted.count("{") == unquoted.count("}")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("depth", [None, 1, 2])
def test_mermaid_is_well_formed(name: str, depth: int | None) -> None:
    text = draw_mermaid(graph_of(ALL[name]), depth=depth, direction="right")
    assert text.startswith("flowchart LR\n")
    for line in text.splitlines():
        assert any(re.fullmatch(form, line) for form in MERMAID_LINES), line
    declared = re.findall(r"^ +(n\d+)[\[(]", text, re.MULTILINE)
    ends = {n for pair in re.findall(r"^  (n\d+) \S+ (n\d+)$", text, re.MULTILINE) for n in pair}
    assert len(declared) == len(set(declared)) and ends <= set(declared)
    assert text.count("subgraph") == len(re.findall(r"^ +end$", text, re.MULTILINE))


@pytest.mark.parametrize("draw", [draw_dot, draw_mermaid])
def test_edges_are_those_of_the_graph(draw: object) -> None:
    text = draw(graph_of(CHAIN))  # type: ignore[operator]  # one of the two functions
    boxes = re.findall(r"(n\d+)\S* ?\S*?\"(x|Linear a|relu|Linear b|tanh|y)\b", text)
    numbers = {label: number for number, label in boxes}
    arrows = set(re.findall(r"^  (n\d+) -+> (n\d+)", text, re.MULTILINE))
    names = ["x", "Linear a", "relu", "Linear b", "tanh", "y"]
    assert arrows == {(numbers[a], numbers[b]) for a, b in pairwise(names)}


@pytest.mark.parametrize(("draw", "word"), [(draw_dot, "subgraph"), (draw_mermaid, "subgraph")])
def test_depth_folds_groups_into_boxes(draw: object, word: str) -> None:
    graph = graph_of(TRANSFORMER)
    assert word not in draw(graph, depth=1)  # type: ignore[operator]  # one of the two functions
    assert draw(graph, depth=2).count(word) == 4  # type: ignore[operator]  # one of the two functions
    assert "EncoderLayer encoder ×6" in draw(graph, depth=1)  # type: ignore[operator]  # as above


def test_states_return_by_dashed_edges() -> None:
    graph = graph_of(BIDIRECTIONAL)
    assert draw_dot(graph).count("style=dashed") == 4
    assert draw_mermaid(graph).count("-.->") == 4


def test_text_formats_are_folded_and_coloured_as_the_drawing() -> None:
    graph = graph_of(TRANSFORMER)
    for text in (draw_mermaid(graph), draw_dot(graph)):
        assert "self_attn" in text and "wq" not in text, "attention is closed by default"
        assert "params" in text and "#dbe8fb" in text
    assert "wq" in draw_mermaid(graph, depth=9)


def test_labels_are_escaped() -> None:
    assert dot_quoted('a "b" \\ \n<c>') == '"a \\"b\\" \\\\ \\n<c>"'
    assert mermaid_quoted('a "b" <c> & #d;\n') == '"a #34;b#34; #60;c#62; #38; #35;d;<br/>"'


def test_depth_keeps_every_value_between_boxes() -> None:
    scene = build_scene(graph_of(TRANSFORMER))
    scene = scene.folded(default_folds(scene, 1))
    edges = {(edge.source.label or edge.source.title, edge.target.label) for edge in scene.edges}
    assert edges == {
        ("src", "src_embed"),
        ("tgt", "tgt_embed"),
        ("src_embed", "encoder"),
        ("src_keep", "encoder"),
        ("encoder", "decoder"),
        ("tgt_embed", "decoder"),
        ("src_keep", "decoder"),
        ("causal", "decoder"),
        ("decoder", "head"),
        ("head", "logits"),
    }


def test_the_margin_is_that_of_clusters_alone() -> None:
    """Graphviz reads `margin` of a graph in inches, and of a cluster in points."""
    text = draw_dot(graph_of(TRANSFORMER))
    lines = [line for line in text.splitlines() if "margin=14" in line]
    assert lines and len(lines) == text.count("subgraph")
    assert all("label=" in line for line in lines)
