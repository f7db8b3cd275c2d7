"""Names in blocks that no model uses: found by reading the text, since nothing runs it on types."""

from __future__ import annotations

from netdsl.checker.scope import Checker
from netdsl.modules import Module


def check_names(checker: Checker, module: Module) -> None:
    """Report names without a meaning (E0201) in every block of the file."""
