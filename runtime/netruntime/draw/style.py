"""How drawings look: text widths, colours and measures. Lengths are in pixels."""

from __future__ import annotations

FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','DejaVu Sans',Arial,sans-serif"
TITLE, DETAIL = 13.0, 11.0
"""The sizes of the two lines of text in a box."""

_WIDTHS = (
    "318 401 460 838 636 950 780 275 390 390 500 838 318 361 318 337 636 636 636 636 636 636 636 636 "
    "636 636 337 337 838 838 838 531 1000 684 686 698 770 632 575 775 752 295 295 656 557 863 748 787 "
    "603 787 695 635 611 732 684 989 685 611 685 390 337 390 838 500 500 613 635 550 635 615 352 635 "
    "634 278 278 579 278 974 634 612 635 635 411 521 392 634 592 818 592 592 525 636 337 636 838"
)
# Advance widths of printable ASCII in thousandths of the size, of DejaVu Sans: the widest of the usual
# system fonts, so that text fits in all of them.
_ADVANCES = {chr(32 + n): int(width) for n, width in enumerate(_WIDTHS.split())}
_OTHER = {"·": 318, "×": 838, "–": 500, "…": 1000, "@": 1000}
_WIDE = 1000
_BOLD = 1.09


def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of text; never less than what the usual fonts need, on average."""
    advance = sum(_ADVANCES.get(c) or _OTHER.get(c, _WIDE) for c in text)
    return advance * size / 1000 * (_BOLD if bold else 1.0)


def shorten(text: str, size: float, width: float) -> str:
    """The text, cut with an ellipsis where it is wider than `width`."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


_COLOURS = ("product", "activation", "norm", "pool", "attention", "plain", "pill")
_LIGHT = """--page:#fff;--ink:#1f2430;--soft:#5d6678;--line:#6b7587;--card:#7f8ea51a;--edge:#aeb8c7;
--box:#fff;--bar:#e6eaf1;--product:#dbe8fb;--product-e:#7ea3d8;--activation:#fdebc8;--activation-e:#d9a84e;
--norm:#ddf0dc;--norm-e:#82b681;--pool:#f9dedd;--pool-e:#d58f8b;--attention:#e8def8;
--attention-e:#a88ad4;--plain:#f1f3f6;--plain-e:#a9b2c0;--pill:#dff1f4;--pill-e:#6fb0bb"""
_DARK = """--page:#14181f;--ink:#e8ebf2;--soft:#a7b0c0;--line:#96a1b4;--card:#a9b8d01a;--edge:#58637a;
--box:#1d222c;--bar:#323b4b;--product:#22395c;--product-e:#5a86c4;--activation:#4d3b16;
--activation-e:#b98d3c;--norm:#223f24;--norm-e:#5f9a60;--pool:#4d2826;--pool-e:#b56f6b;
--attention:#3a2b57;--attention-e:#8d6cc0;--plain:#2b313d;--plain-e:#66718a;--pill:#1a4048;--pill-e:#4c97a4"""
_RULES = """.nd text{font-family:FONT;fill:var(--ink)}.nd .page{fill:var(--page);stroke:none}
.nd .t{font-size:13px;font-weight:600}.nd .l{font-weight:400}.nd .d{font-size:11px;fill:var(--soft)}
.nd .m{text-anchor:middle}.nd .end{text-anchor:end}.nd rect,.nd circle{stroke-width:1}
.nd .join{fill:var(--box);stroke:var(--line);stroke-width:1.4}
.nd .sign{fill:none;stroke:var(--ink);stroke-width:1.6;stroke-linecap:round}
.nd .card{fill:var(--card);stroke:var(--edge)}.nd .under{fill:var(--box);stroke:var(--edge)}
.nd .bar{fill:var(--bar);stroke:var(--edge)}.nd .mark{fill:var(--soft);stroke:none}
.nd .wire{fill:none;stroke:var(--line);stroke-width:1.5}.nd .tip{fill:var(--line)}
.nd .caption{font-size:16px;font-weight:700}.nd .state{stroke-dasharray:4 3}
.nd .badge{font-size:11px;font-weight:700;fill:var(--soft)}
.nd .fold,.nd .fold~*{cursor:pointer}
.nd .fold:hover,.nd .fold:focus-visible{stroke:var(--ink);outline:none;stroke-width:2}
.nd .back{stroke-dasharray:4 3}
.nd .open>.closed,.nd .shut>.opened{display:none}"""


def css() -> str:
    """The style sheet of a drawing, for light and dark surroundings."""
    colours = (f".nd .{name}{{fill:var(--{name});stroke:var(--{name}-e)}}" for name in _COLOURS)
    dark = f"@media(prefers-color-scheme:dark){{.nd{{{_DARK}}}}}"
    return "\n".join([f".nd{{{_LIGHT}}}", dark, *colours, _RULES.replace("FONT", FONT)])


def light_colours() -> dict[str, str]:
    """The colours of a drawing on a light page, by name: `{"ink": "#1f2430", ..}`."""
    entries = (entry.strip().partition(":") for entry in _LIGHT.split(";"))
    return {name.removeprefix("--"): colour for name, _, colour in entries}
