"""Text escaped for XML and HTML."""

from __future__ import annotations

import re
from html import escape

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML has no way to write."""


def xml_text(text: str) -> str:
    """The text escaped, to be put between XML tags."""
    return escape(_FORBIDDEN.sub("", text), quote=False)


def attribute_text(text: str) -> str:
    """The text escaped, to be put between the quotes of an attribute."""
    return escape(_FORBIDDEN.sub("", text))
