"""From syntax to typed model: names, static values, shapes and dtypes.

The checker runs the text of every model on types instead of arrays. `check` is the entry point.
"""

from netdsl.checker.entry import check

__all__ = ["check"]
