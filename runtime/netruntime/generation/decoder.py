"""A model as what generation asks of it: the logits of the next token after some tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netdsl.types import DType
from netruntime.engine.network import Network
from netruntime.errors import GenerationError, shown
from netruntime.generation.incremental import Stepper, UnsupportedError, open_stepper
from netruntime.generation.roles import Roles, lengths_over

Array = np.ndarray[Any, Any]


class Decoder:
    """A model run along sequences of tokens, with logits on the host.

    Args:
        given: The inputs without time; each row of the batch has its own.
        cached: False to run the whole prefix again for every token.
        moves_rows: Whether `take` will be called.

    `notice` says why the prefix is run again, where it is though caches were wanted.
    """

    def __init__(
        self,
        network: Network,
        roles: Roles,
        given: Mapping[str, Any],
        *,
        cached: bool = True,
        moves_rows: bool = False,
    ) -> None:
        self.network = network
        self.roles = roles
        self._given = {name: _on_host(network, array) for name, array in given.items()}
        self._cached, self._moves_rows = cached, moves_rows
        self._stepper, reason = self._open()
        self.notice = None if reason is None else _words(network, reason)

    @property
    def cached(self) -> bool:
        """Whether past positions are kept instead of computed again."""
        return self._cached

    @property
    def length(self) -> int:
        """How many tokens have been fed."""
        return self._stepper.length

    def restart(self, *, cached: bool | None = None) -> None:
        """Forget all tokens."""
        self._cached = self._cached if cached is None else cached
        self._stepper, _ = self._open()

    def fresh(self, *, cached: bool) -> Decoder:
        """Another decoder of the same model and inputs."""
        return Decoder(self.network, self.roles, self._given, cached=cached, moves_rows=self._moves_rows)

    def _open(self) -> tuple[Stepper, UnsupportedError | None]:
        stepper, reason = open_stepper(
            self.network, self.roles.course, self._given, cached=self._cached, moves_rows=self._moves_rows
        )
        self._cached = self._cached and reason is None
        return stepper, reason

    def feed(self, tokens: Array) -> Array:
        """The logits, `[B, n, V]`, after each of the next tokens `[B, n]`.

        A model that scores the next token alone gives `[B, 1, V]`.
        """
        kept = {name: np.ones(tokens.shape, np.bool_) for name in self.roles.keeps}
        results = self._stepper.feed({self.roles.tokens: tokens, **kept})
        logits = _on_host(self.network, results[self.roles.logits])
        if str(logits.dtype) == "bfloat16":
            logits = logits.astype(np.float32)
        if self.roles.normalised:
            with np.errstate(divide="ignore"):
                logits = np.log(logits)
        return logits if logits.ndim == 3 else logits[:, None]

    def next(self, tokens: Array) -> Array:
        """The logits of the token after these, `[B, V]`."""
        found: Array = self.feed(tokens)[:, -1]
        return found

    def take(self, rows: Sequence[int]) -> None:
        """Go on with these rows of the batch, each as often as it is named."""
        self._stepper.take(rows)


def complete_given(network: Network, roles: Roles, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs beside the tokens, with those filled in that follow from others.

    A keep-mask over a sequence that is given is true throughout, and its length is all of it.

    Raises:
        GenerationError: E1103 for an input that the model does not have, or that is missing.
    """
    for name in given:
        if name not in roles.given:
            own = name in network.inputs
            why = "is filled in by itself" if own else "is no input of the model"
            help = f"give {', '.join(roles.given)}" if roles.given else "the model needs the tokens alone"
            raise GenerationError.make("E1103", f"{shown(name)} {why}", help=help)
    whole = dict(given)
    for name in given:
        whole = _following(network, name, np.shape(given[name])) | whole
    for name in roles.given:
        if name not in whole:
            message = f"`{network.name}` needs the input `{name}`: {network.inputs[name]}"
            help = f'`--input {name}=..`, or `generate(.., inputs={{"{name}": ..}})`'
            raise GenerationError.make("E1103", message, help=help)
    return whole


def _following(network: Network, source: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """The keep-masks and lengths of an input `[B, S, ...]` whose array has that shape."""
    axes = network.inputs[source].shape[:2]
    if len(axes) < 2 or len(shape) < 2:
        return {}
    keeps = [name for name, t in network.inputs.items() if t.dtype is DType.BOOL and t.shape == axes]
    lengths = lengths_over(network.graph, network.model, *axes)
    masks = {name: np.ones(shape[:2], np.bool_) for name in keeps}
    return masks | {name: np.full(shape[0], shape[1], np.int64) for name in lengths}


def _on_host(network: Network, array: Any) -> Array:
    return np.asarray(network.device.numpy(array))


def _words(network: Network, reason: UnsupportedError) -> str:
    """Why there are no caches, in words."""
    where = network.graph.node(reason.node).label if reason.node >= 0 else ""
    at = f"`{where}`: " if where else ""
    return f"the whole text is computed again for every token, because of {at}{reason.reason}"
