"""`netrun generate`: text from a model, one token after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netruntime.cli.common.options import device_option, file_argument, json_option, model_option, set_option

_COUNT = click.IntRange(min=1)
_NONE = click.IntRange(min=0)


@click.command()
@file_argument
@click.option("--prompt", "-p", metavar="TEXT", help="What to go on from; `-` reads standard input.")
@click.option("--prompt-ids", metavar="ID,..", help="The same as ids of tokens.")
@click.option(
    "--input",
    "-i",
    "inputs",
    multiple=True,
    metavar="NAME=SPEC",
    help="Another input, such as the source of a translation: text, ids:1,2,3, or a file as for netrun run.",
)
@click.option("--weights", "-w", metavar="PATH", help="A .safetensors or .npz file, or a folder of shards.")
@click.option("--names", metavar="MAP", help="The `weights` map of the file to read the weights by.")
@click.option("--tokenizer", type=click.Path(path_type=Path), help="The tokenizer.json of the model.")
@click.option(
    "--vocab",
    "vocabulary",
    type=click.Path(path_type=Path),
    help="The characters of the model: a JSON list.  [default: vocab.json beside the weights]",
)
@click.option("--begin", metavar="TOKEN", help="A token to put before the prompt: its text or its id.")
@click.option("--end", metavar="TOKEN", help="The token that ends the text.  [default: the tokenizer's own]")
@click.option(
    "--max", "max_new", type=_COUNT, default=200, show_default=True, metavar="N", help="Most tokens."
)
@click.option("--min", "min_new", type=_NONE, default=0, metavar="N", help="Tokens before it may end.")
@click.option("--greedy", is_flag=True, help="Take the likeliest token each time.")
@click.option(
    "--temperature",
    type=float,
    metavar="X",
    help="Below 1 keeps to likely tokens.  [default: 1]",
)
@click.option("--top-k", type=_COUNT, metavar="K", help="Draw from the K likeliest tokens.")
@click.option("--top-p", type=float, metavar="P", help="Draw from the likeliest tokens that make up P.")
@click.option("--repetition-penalty", type=float, default=1.0, metavar="X", help="Above 1 avoids repeats.")
@click.option("--beams", type=_COUNT, default=1, metavar="N", help="Search with N beams in place of drawing.")
@click.option(
    "--length-penalty", type=float, default=0.0, metavar="X", help="Above 0 favours long texts, with --beams."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="For drawing.",
)
@click.option("--no-cache", is_flag=True, help="Run the whole text through the model for every token.")
@click.option("--slide", is_flag=True, help="Go on past the model's positions, from the last half of them.")
@click.option("--token-input", metavar="NAME", help="Which input takes the tokens, where that is not clear.")
@click.option("--logits-output", metavar="NAME", help="Which output scores the next token.")
@set_option
@device_option
@model_option
@json_option
def generate(file: Path, as_json: bool, **options: Any) -> int:
    """Generate text with a causal or an encoder-decoder model, and print it as it comes.

    \b
    Examples:
      netrun generate shakespeare.net --weights runs/x/best.safetensors --prompt "ROMEO:"
      netrun generate gpt2.net -w gpt2/ -p "The sea" --temperature 0.8 --top-k 40
      netrun generate dates.net -w dates.safetensors --input src="3 May 1999" --beams 4
      netrun generate gpt2.net --prompt-ids 464,5417 --greedy --max 20 --json
    """
    from netruntime.cli.generate.command import GenerateOptions, generate_text

    return generate_text(GenerateOptions(file=file, as_json=as_json, **options))
