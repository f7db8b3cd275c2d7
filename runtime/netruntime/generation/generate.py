"""`generate`: new tokens after a prompt, sampled one after another or found by beam search."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from netdsl.diagnostics import with_article
from netdsl.immutable import immutable
from netruntime.arguments import (
    check_callables,
    check_counts_of,
    check_flag,
    check_mapping,
    check_names,
    check_seed,
)
from netruntime.engine.network import Network
from netruntime.errors import ArgumentError
from netruntime.files.arrays import Array
from netruntime.generation.beam import BeamSearch, beam_search
from netruntime.generation.checks import (
    check_counts,
    check_search,
    read_prompts,
    within_limit,
)
from netruntime.generation.decoder import Decoder, complete_given
from netruntime.generation.lengths import within_assumptions
from netruntime.generation.roles import Roles, find_roles
from netruntime.generation.sampling import (
    Sampling,
    ban,
    check_logits,
    choose,
    log_probs_of,
    penalise_repeats,
)
from netruntime.generation.verify import verify

Stream = Callable[[list[int | None]], None]
"""Receives the next token of each row, or None for a row that has ended."""


@immutable
class Generated:
    """What was generated after each prompt.

    `ids` are the new tokens of each row, without the stop token; `stopped` says whether one was reached.
    `log_prob` is the log-probability of the new tokens under the model itself, the stop token included.
    `cached` says whether past positions were cached instead of recomputed; `notices` report deviations from
    what was requested. `seconds` is wall-clock time.
    """

    ids: tuple[Array, ...]
    stopped: tuple[bool, ...]
    log_prob: tuple[float, ...]
    cached: bool
    seconds: float
    notices: tuple[str, ...] = ()


def generate(
    network: Network,
    prompt: Any,
    *,
    inputs: Mapping[str, Any] | None = None,
    max_new: int = 100,
    min_new: int = 0,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    stop: Collection[int] = (),
    beams: int = 1,
    length_penalty: float = 0.0,
    seed: int = 0,
    cached: bool = True,
    slide: bool = False,
    token_input: str | None = None,
    logits_output: str | None = None,
    stream: Stream | None = None,
) -> Generated:
    """New tokens after a prompt, from a causal or an encoder-decoder model.

    Args:
        prompt: Token ids `[L]`, or `[B, L]` for several prompts of the same length; at least one token.
        inputs: The model's other inputs, such as `src`, with as many rows as there are prompts. Keep-masks
            and lengths of such an input may be left out if it has no padding.
        max_new, min_new: The maximum and minimum number of new tokens.
        temperature, top_k, top_p, repetition_penalty: How tokens are sampled; see `Sampling`. A
            temperature of 0 always takes the most likely token.
        stop: Stop tokens (EOS); each ends a sequence.
        beams: More than 1 for beam search.
        length_penalty: See `BeamSearch`.
        seed: The seed of the sampling.
        cached: False to recompute the full sequence for every token.
        slide: Continue past the model's maximum length: the context then restarts from its last half.
        token_input, logits_output: Names of the input and the output, if ambiguous.
        stream: Called with the tokens of each step; after the search with beams.

    Raises:
        GenerationError: E1100 to E1103 for a model that cannot generate or is not causal; E1104 for a
            prompt that does not fit; E1105 for options out of range; E1107 for logits that are not finite.
        DataInputError: for inputs that do not fit the model; E0853 for a prompt of a length that the model
            excludes; E0822 if memory runs out.
    """
    started = time.perf_counter()
    _check_kinds(network, inputs, cached, slide, stream, token_input=token_input, logits_output=logits_output)
    max_new, min_new, beams = check_counts_of(max_new=max_new, min_new=min_new, beams=beams)
    sampling, seed = Sampling(repetition_penalty, temperature, top_k, top_p, min_new), check_seed(seed)
    roles = find_roles(network.model, network.computation, token_input, logits_output)
    prompts = read_prompts(prompt, roles)
    stop = check_counts(max_new, beams, stop, roles)
    check_search(sampling, beams, length_penalty, slide=slide, limit=roles.limit)
    given = complete_given(network, roles, inputs or {})
    allowed, length, notices = _allowed(network, roles, given, prompts, max_new, beams=beams, slide=slide)
    held = 0 if stop or slide else length
    decoder = Decoder(network, roles, given, cached=cached, moves_rows=beams > 1, positions=held)
    verify(decoder, len(prompts), length)
    if beams > 1:
        search = BeamSearch(beams, allowed, stop, length_penalty, repetition_penalty, min_new)
        found = _search(decoder, prompts, search, stream)
    else:
        found = _sample(decoder, prompts, sampling, allowed, stop=stop, seed=seed, stream=stream)
    return _with_notices(found, decoder, notices, time.perf_counter() - started)


def _allowed(
    network: Network,
    roles: Roles,
    given: Mapping[str, Any],
    prompts: Array,
    max_new: int,
    *,
    beams: int,
    slide: bool,
) -> tuple[int, int, list[str]]:
    """How many new tokens the model allows, the length with them, and a notice if they are fewer."""
    allowed, notices = (max_new, []) if slide else within_limit(prompts, max_new, roles)
    allowed, ended = within_assumptions(network, roles, given, prompts.shape, allowed, beams=beams)
    return allowed, prompts.shape[1] + allowed - 1, ended or notices


def _with_notices(found: Generated, decoder: Decoder, notices: list[str], seconds: float) -> Generated:
    notices = [] if all(found.stopped) else notices  # no row came to the end of what the model allows
    notices = [*notices, *([decoder.notice] if decoder.notice else [])]
    return replace(found, cached=decoder.cached, seconds=seconds, notices=tuple(notices))


def _check_kinds(network: Any, inputs: Any, cached: Any, slide: Any, stream: Any, **texts: Any) -> None:
    """Raise E0870 for arguments of the wrong kind."""
    check_names(**texts)
    if not isinstance(network, Network):
        raise ArgumentError.make(
            "E0870", f"`network` must be a network, but is {with_article(type(network).__name__)}"
        )
    check_mapping({} if inputs is None else inputs, "inputs")
    check_flag(cached, "cached")
    check_flag(slide, "slide")
    if stream is not None:
        check_callables(stream=stream)


def _sample(
    decoder: Decoder,
    prompts: Array,
    sampling: Sampling,
    max_new: int,
    *,
    stop: frozenset[int],
    seed: int,
    stream: Stream | None,
) -> Generated:
    rng = np.random.default_rng(seed)
    limit = decoder.roles.limit
    seen = prompts
    chunk = prompts if limit is None else prompts[:, -limit:]
    going = np.ones(len(prompts), np.bool_)
    total = np.zeros(len(prompts))
    rows: list[list[int]] = [[] for _ in prompts]
    for step in range(max_new):
        logits = decoder.next(chunk)
        check_logits(logits)
        tokens = _choose(logits, seen, sampling, stop if step < sampling.min_new else frozenset(), rng)
        total += np.where(going, log_probs_of(logits, tokens), 0.0)
        going = going & ~np.isin(tokens, sorted(stop))
        for row, token, goes_on in zip(rows, tokens, going, strict=True):
            row += [int(token)] if goes_on else []
        if stream:
            stream([int(token) if goes_on else None for token, goes_on in zip(tokens, going, strict=True)])
        if not going.any():
            break
        chunk = tokens[:, None]
        seen = np.concatenate([seen, chunk], axis=1)
        if decoder.length == limit and step + 1 < max_new:
            decoder.restart()
            chunk = seen[:, -max(limit // 2, 1) :]
    ids = tuple(np.array(row, np.int64) for row in rows)
    return Generated(ids, tuple((~going).tolist()), tuple(total.tolist()), True, 0.0)


def _choose(
    logits: Array, seen: Array, sampling: Sampling, banned: frozenset[int], rng: np.random.Generator
) -> Array:
    changed = penalise_repeats(logits, seen, sampling.repetition_penalty)
    return choose(ban(changed, sorted(banned)), sampling, rng)


def _search(decoder: Decoder, prompts: Array, search: BeamSearch, stream: Stream | None) -> Generated:
    best = [hypotheses[0] for hypotheses in beam_search(decoder, prompts, search)]
    ids = tuple(np.array(h.tokens[: len(h.tokens) - h.stopped], np.int64) for h in best)
    if stream:
        for step in range(max(map(len, ids))):
            stream([int(row[step]) if step < len(row) else None for row in ids])
    return Generated(ids, tuple(h.stopped for h in best), tuple(h.log_prob for h in best), True, 0.0)
