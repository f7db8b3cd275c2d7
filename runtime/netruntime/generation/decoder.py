"""A model as a decoder: the logits of the next token, given the tokens so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from netdsl.ops.numerics.checks import DeferredChecks
from netdsl.types import DType
from netruntime.engine.network import Network
from netruntime.engine.reading import read
from netruntime.engine.room import room_for
from netruntime.errors import GenerationError, shown
from netruntime.files.arrays import Array
from netruntime.generation.incremental import Stepper, UnsupportedError, open_stepper
from netruntime.generation.roles import Roles, lengths_over

SHORTER = "use fewer prompts at once, fewer beams, or fewer new tokens: the cache grows with all of them"


class Decoder:
    """Runs a model along sequences of tokens; logits are returned on the host.

    Args:
        given: The inputs without a time axis, one row for each row of the batch.
        cached: False to recompute the prefix for every token.
        moves_rows: Whether `take` will be called.
        positions: How many tokens will certainly be fed, for whose caches there must be memory.

    `notice` says why the prefix is recomputed although caches were requested; None otherwise.
    """

    def __init__(
        self,
        network: Network,
        roles: Roles,
        given: Mapping[str, Any],
        *,
        cached: bool = True,
        moves_rows: bool = False,
        positions: int = 0,
    ) -> None:
        self.network = network
        self.roles = roles
        self._given = {name: _on_host(network, array) for name, array in given.items()}
        self._cached, self._moves_rows, self._positions = cached, moves_rows, positions
        self._stepper, reason = self._open()
        self.notice = None if reason is None else _explain(network, reason)

    @property
    def cached(self) -> bool:
        """Whether past positions are cached instead of recomputed."""
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
            self.network,
            self.roles.spec,
            self._given,
            cached=self._cached,
            moves_rows=self._moves_rows,
            positions=self._positions,
        )
        self._cached = self._cached and reason is None
        return stepper, reason

    def feed(self, tokens: Array) -> Array:
        """Feed the next tokens `[B, n]`. Returns the logits `[B, n, V]` after each of them.

        A model that scores only the next token returns `[B, 1, V]`. Raises E0822 if memory runs out.
        """
        kept = {name: np.ones(tokens.shape, np.bool_) for name in self.roles.keeps}
        checks = DeferredChecks(self.network.device.xp)
        with self._room():
            results = self._stepper.feed({self.roles.tokens: tokens, **kept}, checks)
            (logits,) = read(self.network.device, [checks], [results[self.roles.logits]])
        if str(logits.dtype) == "bfloat16":
            logits = logits.astype(np.float32)
        if self.roles.normalised:
            with np.errstate(divide="ignore"):
                logits = np.log(logits)
        return logits if logits.ndim == 3 else logits[:, None]

    def next(self, tokens: Array) -> Array:
        """The logits of the token after these, `[B, V]`."""
        logits: Array = self.feed(tokens)[:, -1]
        return logits

    def take(self, rows: Sequence[int]) -> None:
        """Reorder the batch to these rows; a row may repeat (beam search)."""
        with self._room():
            self._stepper.take(rows)

    def _room(self) -> AbstractContextManager[None]:
        return room_for("the generation", self.network.device, help=SHORTER)


def complete_given(network: Network, roles: Roles, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs other than the tokens, with masks and lengths filled in that follow from others.

    The keep-mask of an input sequence defaults to true everywhere, and its length to the full length.

    Raises:
        GenerationError: E1103 for an input that the model does not have, or that is missing.
    """
    for name in given:
        if name not in roles.given:
            own = name in network.inputs
            why = "is filled in automatically" if own else "is not an input of the model"
            help = f"give {', '.join(roles.given)}" if roles.given else "the model needs only the tokens"
            raise GenerationError.make("E1103", f"{shown(name)} {why}", help=help)
    inputs = dict(given)
    for name in given:
        inputs = _following(network, name, np.shape(given[name])) | inputs
    for name in roles.given:
        if name not in inputs:
            message = f"`{network.name}` needs the input `{name}`: {network.inputs[name]}"
            help = f'`--input {name}=..`, or `generate(.., inputs={{"{name}": ..}})`'
            raise GenerationError.make("E1103", message, help=help)
    return inputs


def _following(network: Network, source: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """The keep-masks and lengths of an input `[B, S, ...]` whose array has that shape."""
    axes = network.inputs[source].shape[:2]
    if len(axes) < 2 or len(shape) < 2:
        return {}
    keeps = [name for name, t in network.inputs.items() if t.dtype is DType.BOOL and t.shape == axes]
    lengths = lengths_over(network.computation, network.model, *axes)
    masks = {name: np.ones(shape[:2], np.bool_) for name in keeps}
    return masks | {name: np.full(shape[0], shape[1], np.int64) for name in lengths}


def _on_host(network: Network, array: Any) -> Array:
    return np.asarray(network.device.numpy(array))


def _explain(network: Network, reason: UnsupportedError) -> str:
    """A notice that says why there are no caches."""
    where = network.computation.node(reason.node).label if reason.node >= 0 else ""
    at = f"`{where}`: " if where else ""
    return f"the full sequence is recomputed for every token, because of {at}{reason.reason}"
