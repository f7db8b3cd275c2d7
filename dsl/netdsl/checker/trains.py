"""The `train` section: parsed and checked here, run by the trainer."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.checker.scope import Checker
from netdsl.model import Model
from netdsl.modules import Module


def check_sections(checker: Checker, module: Module, models: Mapping[str, Model]) -> None:
    """Check every `train` section against the models of the file."""
