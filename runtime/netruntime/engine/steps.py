"""A plan: steps in order, each an operator that is ready to run, and the error of a step that fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netdsl.diagnostics import error
from netdsl.graph import Graph, Node
from netdsl.ops.contract.base import Op
from netruntime.errors import DataInputError


@dataclass(frozen=True)
class PlanStep:
    """One operator, ready to run: `run(*values)` gives its outputs.

    `inputs` and `outputs` are places in the executor's list of values; `frees` are the places whose
    values nobody needs after this step. `instead` are the steps to run if this one refuses its values
    (`RefusedError`): a native run leaves errors to the operators on NumPy.
    """

    node: int
    op: Op
    run: Callable[..., Any] = field(repr=False)
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    frees: tuple[int, ...]
    instead: tuple[PlanStep, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The steps in order, and where inputs, weights and results are in the list of values.

    Args:
        graph: The graph whose nodes the steps are.
    """

    graph: Graph
    places: int
    inputs: Mapping[str, int]
    weights: Mapping[str, int]
    steps: tuple[PlanStep, ...]
    results: tuple[int, ...]


def failed_step(code: str, message: str, node: Node, help: str | None = None) -> DataInputError:
    """An error of a step. It shows the user's own line of the `.net` file, not one of a standard block."""
    return DataInputError(error(code, message, node.user_span, path=node.label, help=help).diagnostics)
