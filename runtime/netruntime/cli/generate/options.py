"""`netrun generate`: generates text, token by token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netruntime.cli.common.data_options import reading_options, take_reading_options
from netruntime.cli.common.grouping import ENGINE, READING, grouped
from netruntime.cli.common.options import (
    device_option,
    file_argument,
    json_option,
    model_option,
    seed_option,
    set_option,
    weights_options,
)

_COUNT = click.IntRange(min=1)
_NONE = click.IntRange(min=0)


_GROUPS = {
    "Text": ("prompt", "prompt_ids", "inputs", "vocabulary", "begin", "end", "max_new", "min_new", "slide"),
    "Choosing tokens": (
        *("greedy", "temperature", "top_k", "top_p", "repetition_penalty"),
        *("beams", "length_penalty", "seed"),
    ),
    "The model": ("weights", "names", "settings", "model_name", "token_input", "logits_output"),
    "How data is read": READING,
    "The engine": ("no_cache", *ENGINE),
    "Output": ("as_json",),
}


@grouped(_GROUPS)
@click.command()
@file_argument
@click.option("--prompt", "-p", metavar="TEXT", help="The prompt; `-` reads standard input.")
@click.option("--prompt-ids", metavar="ID,..", help="The prompt as token ids.")
@click.option(
    "--input",
    "-i",
    "inputs",
    multiple=True,
    metavar="NAME=SPEC",
    help="Another input, such as the source of a translation: text, ids:1,2,3, or a file as for netrun run.",
)
@weights_options("A .safetensors or .npz file, or a folder of shards or of a run.")
@click.option(
    "--vocab",
    "vocabulary",
    type=click.Path(path_type=Path),
    help="The vocabulary of a character model: a JSON list.  [default: vocab.json next to the weights]",
)
@click.option("--begin", metavar="TOKEN", help="A token before the prompt (BOS): its text or id.")
@click.option(
    "--end",
    metavar="TOKEN",
    help="The token that ends the text (EOS).  [default: the tokenizer's, or <end> of the vocabulary]",
)
@click.option(
    "--max",
    "max_new",
    type=_COUNT,
    default=200,
    metavar="N",
    help="Maximum number of new tokens.  [default: 200, or up to the maximum length of the model]",
)
@click.option("--min", "min_new", type=_NONE, default=0, metavar="N", help="Minimum number of new tokens.")
@click.option("--greedy", is_flag=True, help="Always take the most likely token.")
@click.option(
    "--temperature",
    type=float,
    metavar="X",
    help="Below 1 favours likely tokens.  [default: 1]",
)
@click.option("--top-k", type=_COUNT, metavar="K", help="Sample from the K most likely tokens.")
@click.option(
    "--top-p", type=float, metavar="P", help="Sample from the most likely tokens with total probability P."
)
@click.option(
    "--repetition-penalty", type=float, default=1.0, metavar="X", help="Above 1 discourages repetition."
)
@click.option(
    "--beams", type=_COUNT, default=1, metavar="N", help="Beam search with N beams instead of sampling."
)
@click.option(
    "--length-penalty", type=float, default=0.0, metavar="X", help="Above 0 favours long texts, with --beams."
)
@seed_option("Seed for sampling and random inputs.")
@click.option("--no-cache", is_flag=True, help="Recompute the full sequence for every token.")
@click.option("--slide", is_flag=True, help="At the maximum length, restart from the last half of the text.")
@click.option("--token-input", metavar="NAME", help="The input that takes the tokens, if ambiguous.")
@click.option("--logits-output", metavar="NAME", help="The output with the logits of the next token.")
@set_option
@reading_options
@device_option
@model_option
@json_option
def generate(file: Path, as_json: bool, **options: Any) -> int:
    """Generate text with a causal or encoder-decoder model, printing it token by token.

    \b
    Examples:
      netrun generate shakespeare.net --weights runs/x/best.safetensors --prompt "ROMEO:"
      netrun generate gpt2.net -w gpt2/ -p "The sea" --temperature 0.8 --top-k 40
      netrun generate dates.net -w dates.safetensors --input src="3 May 1999" --beams 4
      netrun generate gpt2.net --prompt-ids 464,5417 --greedy --max 20 --json
    """
    from netruntime.cli.generate.command import GenerateOptions, generate_text

    reading = take_reading_options(options)
    return generate_text(GenerateOptions(file=file, as_json=as_json, reading=reading, **options))
