"""The colours of charts: those of the drawings, and one for each series."""

from __future__ import annotations

from netruntime.draw.style import css, light_colours

SERIES = ("blue", "orange", "green", "red", "violet", "teal", "brown", "pink")
"""Colours in the order that series take them; distinguishable with any kind of colour vision."""
_LIGHT = dict(
    zip(
        SERIES,
        "#2f6fc4 #d97f1e #3a9150 #c6473f #8459c2 #1f97a3 #8a673f #c9579b".split(),
        strict=True,
    )
)
_DARK = dict(
    zip(
        SERIES,
        "#6ea6f0 #f0a44d #6cc282 #ec7f77 #b595ec #56c3cf #c39d70 #ea8cc4".split(),
        strict=True,
    )
)
LIGHT = {**light_colours(), **_LIGHT}
"""All colours on a light page, by name."""


def chart_css() -> str:
    """The style sheet of a chart, for light and dark surroundings."""
    light, dark = (
        "".join(f"--{name}:{colour};" for name, colour in colours.items()) for colours in (_LIGHT, _DARK)
    )
    return f"{css()}\n.nd{{{light}}}@media(prefers-color-scheme:dark){{.nd{{{dark}}}}}"
