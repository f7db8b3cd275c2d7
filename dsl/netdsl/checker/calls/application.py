"""An application: what a block, a layer or an operator is applied to, and under which label."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl import syntax as s
from netdsl.checker.context.values import Tensor
from netdsl.immutable import immutable
from netdsl.source import Span


@immutable
class Application:
    """One application in the text.

    Attributes:
        expr: The expression that is applied, including its arguments if it is a call.
        piped: The piped tensors.
        arguments: The arguments of the application.
        label: The label given in the text.
        sole: Whether it is the only stage of a loop's body, and so takes the loop's own label path.
        called: Whether the text has parentheses, so that an operator without tensors is an error or a
            function with some arguments given.
    """

    expr: s.Expr
    piped: list[Tensor]
    arguments: Sequence[s.Argument] = ()
    label: s.Ident | None = None
    sole: bool = False
    called: bool = False

    @property
    def span(self) -> Span:
        return self.expr.span

    @property
    def callee_span(self) -> Span:
        """Where the text names what is applied."""
        return s.callee(self.expr).span
