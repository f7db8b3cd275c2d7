"""The syntax tree of a `.net` file: frozen data, a span on every node, nothing evaluated.

Two trees compare equal when they say the same, wherever they stand: spans and comments take no part
in comparison. The text between two tokens (spaces and comments) is kept by `parser.Syntax.tokens`.
"""

from netdsl.syntax.bodies import *  # noqa: F403
from netdsl.syntax.items import *  # noqa: F403
