"""Everything `netrun show` prints: the table, and drawings as SVG, HTML, DOT and Mermaid."""

from netruntime.draw.building import block_docs
from netruntime.draw.dot import draw_dot
from netruntime.draw.mermaid import draw_mermaid
from netruntime.draw.page import draw_html
from netruntime.draw.svg import draw_svg
from netruntime.draw.table import Counts, Row, Summary, check_sizes, sizes_of, summary

__all__ = [
    "Counts",
    "Row",
    "Summary",
    "block_docs",
    "check_sizes",
    "draw_dot",
    "draw_html",
    "draw_mermaid",
    "draw_svg",
    "sizes_of",
    "summary",
]
