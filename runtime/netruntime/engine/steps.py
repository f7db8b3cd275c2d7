"""A plan: steps in order, each an operator that is ready to run, and the error of a step that fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from netdsl.diagnostics import Label, error
from netdsl.graph import Graph, Node, Port
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Op
from netruntime.engine.passes.optimise import Optimised
from netruntime.errors import DataInputError


@immutable
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


@immutable
class Plan:
    """The steps in order, and where inputs, weights and results are in the list of values.

    Args:
        graph: The graph whose nodes the steps are.
        sizes: The values of the free sizes.
        ports: The value at each place.
        optimised: What the graph was before passes changed it; None if none did.
    """

    graph: Graph
    sizes: Mapping[str, int]
    ports: tuple[Port, ...]
    inputs: Mapping[str, int]
    weights: Mapping[str, int]
    steps: tuple[PlanStep, ...]
    results: tuple[int, ...]
    optimised: Optimised | None = None

    @property
    def places(self) -> int:
        """The length of the list of values."""
        return len(self.ports)


def failed_step(
    code: str, problem: str, node: Node, help: str | None = None, *, also: Sequence[Label] = ()
) -> DataInputError:
    """An error of a step: `problem` follows the name of its operator, or of the standard block around it."""
    return failed_at(code, f"`{node.user_name}` {problem}", node, help, also=also)


def failed_at(
    code: str, message: str, node: Node, help: str | None = None, *, also: Sequence[Label] = ()
) -> DataInputError:
    """An error that shows the user's own line of the `.net` file for a node, not one of a standard block."""
    wrong = error(code, message, node.user_span, path=node.label, help=help, also=also)
    return DataInputError(wrong.diagnostics)
