"""The steps of `netrun generate`: open the model and its vocabulary, read the prompt, generate, print."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from netdsl.graph import expand
from netdsl.immutable import immutable
from netruntime.cli.common.devices import open_quietly
from netruntime.cli.common.failures import OK, usage_error
from netruntime.cli.common.fitting_settings import settings_that_fit
from netruntime.cli.common.options import DeviceFlags
from netruntime.cli.common.output import colour_wanted, json_number, note, plural, print_json, visible
from netruntime.cli.common.sources import (
    check_size_names,
    open_checked,
    pick_model,
    read_standard_text,
    settings_as_trained,
    weights_for,
)
from netruntime.cli.generate.inputs import encode, read_ids, read_inputs
from netruntime.cli.run.command import report_weights
from netruntime.engine.network import Network
from netruntime.engine.weights import open_weights
from netruntime.errors import GenerationError
from netruntime.generation import Generated, Roles, find_roles, generate
from netruntime.generation.text import GrowingText, find_codec, text_after, token_id
from netruntime.readers.options import DataOptions
from netruntime.readers.vocabulary import Codec

WEIGHTS_SEED = 0


@immutable
class GenerateOptions:
    """The options of `netrun generate`."""

    file: Path
    as_json: bool
    prompt: str | None
    prompt_ids: str | None
    inputs: tuple[str, ...]
    weights: str | None
    names: str | None
    vocabulary: Path | None
    begin: str | None
    end: str | None
    max_new: int
    min_new: int
    greedy: bool
    temperature: float | None
    top_k: int | None
    top_p: float | None
    repetition_penalty: float
    beams: int
    length_penalty: float
    seed: int
    no_cache: bool
    slide: bool
    token_input: str | None
    logits_output: str | None
    settings: Mapping[str, str]
    device: DeviceFlags
    model_name: str | None
    reading: Mapping[str, Any]

    @property
    def tokenizer(self) -> Path | None:
        """The `tokenizer.json` of the model."""
        return self.reading.get("tokenizer")

    @property
    def heat(self) -> float:
        """The temperature; 0 for greedy decoding."""
        return 0.0 if self.greedy else 1.0 if self.temperature is None else self.temperature

    def check(self) -> None:
        """Raise `CommandLineError` E0920 for options that exclude each other."""
        options = {"--temperature": self.temperature, "--top-k": self.top_k, "--top-p": self.top_p}
        sampling = [name for name, value in options.items() if value is not None]
        if self.greedy and sampling:
            raise usage_error(
                "E0920", f"--greedy and {sampling[0]} cannot be combined: greedy decoding does not sample"
            )
        if self.beams > 1 and (sampling or self.greedy):
            other = sampling[0] if sampling else "--greedy"
            raise usage_error("E0920", f"--beams and {other} cannot be combined: beam search does not sample")
        if self.prompt is not None and self.prompt_ids is not None:
            raise usage_error("E0920", "--prompt and --prompt-ids cannot be combined: both set the prompt")
        if self.tokenizer and self.vocabulary:
            raise usage_error("E0920", "--tokenizer and --vocab cannot be combined: both define the tokens")


def generate_text(options: GenerateOptions) -> int:
    """Generate and print. Returns the exit code; raises `NetError`."""
    options.check()
    network, roles, codec = _open(options)
    prompt = _prompt(options, roles, codec)
    reading = DataOptions(**options.reading)
    inputs = read_inputs(network, roles, options.inputs, codec, reading, seed=options.seed)
    end = token_id(options.end, codec, roles.vocabulary) if options.end else codec.end if codec else None
    if not options.as_json:
        report_weights(network, options.weights is not None)
    printer = None if options.as_json else _Printer(codec, prompt)
    if printer and roles.given:
        printer.skip_prompt()
    result = generate(
        network,
        prompt,
        inputs=inputs,
        max_new=options.max_new,
        min_new=options.min_new,
        temperature=options.heat,
        top_k=options.top_k,
        top_p=options.top_p,
        repetition_penalty=options.repetition_penalty,
        stop=() if end is None else (end,),
        beams=options.beams,
        length_penalty=options.length_penalty,
        seed=options.seed,
        cached=not options.no_cache,
        slide=options.slide,
        token_input=options.token_input,
        logits_output=options.logits_output,
        stream=printer,
    )
    if printer:
        printer.finish(result)
    else:
        print_json(_document(network, codec, prompt, result))
    return OK


def _open(options: GenerateOptions) -> tuple[Network, Roles, Codec | None]:
    """The network, its roles, and its codec; errors in these are reported before weights are read."""
    settings = settings_as_trained(options.file, options.weights, options.settings, options.as_json)
    checked = open_checked(options.file, settings)
    model = pick_model(checked, options.model_name)
    check_size_names(model, options.reading.get("sizes", {}))
    graph = expand(model)
    roles = find_roles(model, graph, options.token_input, options.logits_output)
    device = open_quietly(options.device)
    weights = weights_for(options.file, options.weights)
    codec = find_codec(options.vocabulary, options.tokenizer, weights)
    _check_codec(codec, roles.vocabulary)
    with settings_that_fit(options.file, options.settings, weights, options.model_name):
        store = open_weights(graph, weights, checked.weights, options.names, WEIGHTS_SEED)
    return Network(checked, model, store, device, WEIGHTS_SEED), roles, codec


def _prompt(options: GenerateOptions, roles: Roles, codec: Codec | None) -> list[int]:
    """The prompt's ids, preceded by a BOS token if the model needs one."""
    text = read_standard_text() if options.prompt == "-" else options.prompt or ""
    ids = encode(text, codec, "the prompt") if text else []
    if options.prompt_ids is not None:
        ids = read_ids(options.prompt_ids, "the prompt")
    if options.begin:
        return [token_id(options.begin, codec, roles.vocabulary), *ids]
    begin = codec.begin if codec else None
    if begin is not None and (not ids or (roles.given and ids[0] != begin)):
        return [begin, *ids]
    if not ids:
        prompt = "--prompt TEXT" if codec else "--prompt-ids 1,2"
        help = f"pass {prompt}, or --begin TOKEN, the token that starts each text (BOS)"
        if weights_for(options.file, options.weights) is None and options.weights is None:
            help += "; pass --weights FILE as well: without it, the weights are random"
        raise GenerationError.make("E1104", "the prompt is empty", help=help)
    return ids


def _check_codec(codec: Codec | None, size: int) -> None:
    """Raise `GenerationError` E1106 if the vocabulary and the model differ in size."""
    if codec is not None and codec.vocabulary is not None and len(codec.vocabulary) != size:
        message = f"the vocabulary has {len(codec.vocabulary)} entries, but the model has {size} tokens"
        help = "use the vocabulary that was saved with the weights, or set the model's size with --set"
        raise GenerationError.make("E1106", message, help=help)


class _Printer:
    """Prints each token as it arrives: as text, or as its id without a vocabulary."""

    def __init__(self, codec: Codec | None, prompt: list[int]) -> None:
        self._codec = codec
        self._text = GrowingText(codec, prompt) if codec else None
        self._prompt = prompt
        self._has_prompt = True

    def skip_prompt(self) -> None:
        """Leave the prompt out: the output is a text of its own."""
        self._has_prompt = False

    def _show_prompt(self) -> None:
        """Print the prompt in bold, before the first token: until then the model may be refused."""
        if not self._has_prompt:
            return
        self._has_prompt = False
        text = self._codec.decode(self._prompt) if self._codec else " ".join(map(str, self._prompt)) + " "
        self._print(click.style(visible(text), bold=True))

    def __call__(self, tokens: list[int | None]) -> None:
        self._show_prompt()
        if tokens[0] is not None:
            self._print(visible(self._text.add(tokens[0])) if self._text else f"{tokens[0]} ")

    def finish(self, result: Generated) -> None:
        """End the line and print the notices on standard error."""
        self._show_prompt()
        self._print((visible(self._text.end()) if self._text else "") + "\n")
        for notice in result.notices:
            note(notice)
        count = len(result.ids[0])
        note(f"{plural(count, 'token')} in {result.seconds:.1f} s")

    def _print(self, text: str) -> None:
        click.echo(text, nl=False, color=colour_wanted())
        sys.stdout.flush()


def _document(network: Network, codec: Codec | None, prompt: list[int], result: Generated) -> dict[str, Any]:
    ids = result.ids[0].tolist()
    return {
        "ok": True,
        "model": network.name,
        "device": network.device.name,
        "weights": network.weights_from.text,
        "prompt_ids": prompt,
        "ids": ids,
        "text": text_after(codec, prompt, ids) if codec else None,
        "stopped": result.stopped[0],
        "log_prob": json_number(result.log_prob[0]),
        "cached": result.cached,
        "seconds": result.seconds,
        "notices": list(result.notices),
    }
