"""A Transformer translates written dates to ISO 8601; without position embeddings it fails.

    python examples/experiments/dates.py

Generates the corpus of `make_dates.py`, trains `examples/dates.net` on it twice (parallel with `--jobs 2`),
with and without positions, and translates dates that were in neither training set. Writes
examples/runs/dates.md with its charts; `--train 600 --epochs 1 --dry` is a short trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import click
import numpy as np
from make_dates import SPELLINGS, Pair, make_pairs, write_pairs
from recording import EXAMPLES, RUNS, machine, table

import netruntime as nr
from netruntime.charts import Chart, Series, heat_map, line_charts
from netruntime.readers.vocabulary import Characters

Array = np.ndarray[Any, Any]
SOURCE = EXAMPLES / "dates.net"
SEED, HOLDOUT = 0, 0.1
CORPUS = 1
"""The seed of the corpus."""
LONGEST, BATCH = 14, 250
"""The maximum length of a translation in characters, and the translations per batch."""
SHOWN = {"words": "the third of april nineteen eighty four", "figures": "4/3/1984"}
TRUTH = "1984-04-03"
ATTENTION = "decoder.1.cross_attn.A"


@dataclass(frozen=True)
class Result:
    """A run, and its translations of the test pairs."""

    trained: nr.Trained
    translations: tuple[str, ...]
    seconds: float

    def right(self, pairs: Sequence[Pair]) -> list[bool]:
        """Which translations are exactly those of the corpus."""
        return [made == iso for made, (_, iso) in zip(self.translations, pairs, strict=True)]


def translate(network: nr.Network, codec: Characters, texts: Sequence[str]) -> list[str]:
    """The greedy translation of each text, up to EOS."""
    made = []
    for start in range(0, len(texts), BATCH):
        src, keep = padded(codec, texts[start : start + BATCH])
        prompt = np.full((len(src), 1), codec.begin)
        found = nr.generate(
            network,
            prompt,
            inputs={"src": src, "src_keep": keep},
            max_new=LONGEST,
            temperature=0.0,
            stop=[codec.end or 0],
        )
        made += [codec.decode(ids) for ids in found.ids]
    return made


def padded(codec: Characters, texts: Sequence[str]) -> tuple[Array, Array]:
    """Texts as ids [n, longest], and their keep-mask."""
    rows = [codec.encode(text, "a date") for text in texts]
    src = np.zeros((len(rows), max(map(len, rows))), np.int64)
    keep = np.zeros(src.shape, np.bool_)
    for number, row in enumerate(rows):
        src[number, : len(row)] = row
        keep[number, : len(row)] = True
    return src, keep


def learn(train: Sequence[Pair], test: Sequence[Pair], config: Mapping[str, Any], epochs: int) -> Result:
    """Train the example by its own `train` section, and translate the test pairs."""
    with TemporaryDirectory() as folder:
        paths = write_pairs(train, Path(folder), "train")
        began = perf_counter()
        trained = nr.fit(SOURCE, list(paths), holdout=HOLDOUT, seed=SEED, config=config, epochs=epochs)
        seconds = perf_counter() - began
    made = translate(trained.network(), codec_of(train), [text for text, _ in test])
    return Result(trained, tuple(made), seconds)


def codec_of(pairs: Sequence[Pair]) -> Characters:
    """The characters of the corpus, numbered as for training."""
    return Characters.of([text for pair in pairs for text in pair], special=True)


def spelling(pair: Pair) -> str:
    """The name of the spelling that a pair is in."""
    day = date.fromisoformat(pair[1])
    return next(name for name, spell in SPELLINGS.items() if spell(day) == pair[0])


def draw_attention(network: nr.Network, codec: Characters) -> None:
    """Where each character looks in the source: the last layer, the mean of its heads."""
    target = codec.encode(TRUTH, "the date")
    tgt = np.array([[codec.begin, *target]])
    for name, text in SHOWN.items():
        src, keep = padded(codec, [text])
        tapped = network.tap(ATTENTION)
        heads = tapped(src=src, tgt=tgt, src_keep=keep, tgt_keep=np.ones(tgt.shape, np.bool_))
        heat_map(
            heads[0].mean(0),
            [*TRUTH, "end"],
            ["_" if character == " " else character for character in text],
            RUNS / f"dates-attention-{name}.svg",
            title=f"Where each character written looks: {ATTENTION}",
            row_axis="written",
            column_axis="read",
        )


def draw_curves(results: Mapping[str, Result]) -> None:
    """The loss and the accuracy of characters on the pairs held out, over the epochs."""
    charts = []
    for figure in ("loss", "accuracy"):
        series = [
            Series(
                name,
                [event.epoch + 1 for event in result.trained.history],
                [event.valid[""][figure] for event in result.trained.history],
            )
            for name, result in results.items()
        ]
        charts.append(Chart(f"{figure.capitalize()} on pairs held out", tuple(series), "epoch", figure))
    line_charts(charts, RUNS / "dates-curves.svg")


def rows_of(results: Mapping[str, Result], pairs: Sequence[Pair]) -> Iterator[list[object]]:
    """For each spelling, an example, how many pairs there are, and the share of exact translations."""
    names = [spelling(pair) for pair in pairs]
    rights = [result.right(pairs) for result in results.values()]
    for name in SPELLINGS:
        members = [number for number, other in enumerate(names) if other == name]
        if members:
            shares = [f"{np.mean([right[n] for n in members]):.1%}" for right in rights]
            yield [pairs[members[0]][0], len(members), *shares]
    yield ["all", len(pairs), *(f"**{np.mean(right):.1%}**" for right in rights)]


def write_record(results: Mapping[str, Result], train: Sequence[Pair], test: Sequence[Pair]) -> None:
    """The page of figures."""
    last = {name: result.trained.history[-1].valid[""] for name, result in results.items()}
    figures = [
        [
            name,
            f"{sum(array.size for array in result.trained.weights.values()):,}",
            f"{last[name]['accuracy']:.2%}",
            f"{last[name]['perplexity']:.3f}",
            f"{np.mean(result.right(test)):.1%}",
            f"{result.seconds / 60:.0f} min",
        ]
        for name, result in results.items()
    ]
    headings = [
        "",
        "weights",
        "characters held out",
        "perplexity",
        "exact dates of the test",
        "time",
    ]
    mistakes = [
        [name, text, made, iso]
        for name, result in results.items()
        for (text, iso), made in zip(test, result.translations, strict=True)
        if made != iso
    ]
    chosen = [row for name in results for row in [m for m in mistakes if m[0] == name][:5]]
    text = PAGE.format(
        train=f"{len(train):,}",
        test=f"{len(test):,}",
        epochs=len(results[next(iter(results))].trained.history),
        figures=table(headings, figures),
        spellings=table(["spelling", "pairs", *results], list(rows_of(results, test))),
        mistakes=table(["", "source", "output", "correct"], chosen) if chosen else "None.",
        machine=machine(),
    )
    (RUNS / "dates.md").write_text(text, "utf-8")


PAGE = """# A Transformer that translates dates

`examples/dates.net` learns to translate written dates into ISO 8601, character by character, from {train}
generated pairs in seven formats. The test has {test} pairs of other dates, none of which is in the
training data in any format. A translation is counted as correct only if every character is, and is
generated like `netrun generate --greedy` does, character by character, with a KV cache.

{figures}

Both runs have the same settings, seed and {epochs} epochs; the second is `--set positions=false`, in
which the encoder has no information about the order of the characters. "Characters held out" is the
accuracy on the tenth of the training pairs kept for validation, with each character predicted from the
correct ones before it.

{spellings}

Without positions the source is a bag of characters, in which day, month and year cannot be distinguished
by their position, whether written as digits or spelled out; the correct translations are those with
little ambiguity.

![Loss and accuracy](dates-curves.svg)

Attention of the last decoder layer to the source, the mean of the four heads. Each row is a generated
character; darker cells have larger weights.

![Attention to a spelled-out date](dates-attention-words.svg)

![Attention to a date in digits](dates-attention-figures.svg)

The first errors of each on the test:

{mistakes}

Generated by `python examples/experiments/dates.py`. To run it by hand:

    python examples/experiments/make_dates.py --out /tmp/dates
    netrun train examples/dates.net --data /tmp/dates/train.words.txt --data /tmp/dates/train.iso.txt \\
        --holdout 0.1 --out runs/dates
    netrun generate examples/dates.net --weights runs/dates/last.safetensors --greedy \\
        --input src="the third of april nineteen eighty four"

The settings were chosen on a different corpus, that of `make_dates.py --seed 0`. The seed of the weights
and the order of the pairs is 0. Both runs ran at the same time; times are wall-clock times on a shared
machine.

{machine}
"""


@click.command()
@click.option("--train", default=12000, show_default=True, help="Pairs to train on.")
@click.option("--test", default=1000, show_default=True, help="Pairs to test on.")
@click.option("--epochs", default=14, show_default=True, help="Passes over the data.")
@click.option("--jobs", default=2, show_default=True, help="Runs at a time.")
@click.option("--dry", is_flag=True, help="Write nothing.")
def main(train: int, test: int, epochs: int, jobs: int, dry: bool) -> None:
    """Train with and without positions, and write the page."""
    pairs = make_pairs(train + test, CORPUS)
    known, unseen = pairs[:train], pairs[train:]
    configs: dict[str, dict[str, Any]] = {"with positions": {}, "without positions": {"positions": False}}
    with ProcessPoolExecutor(jobs) as pool:
        futures = {name: pool.submit(learn, known, unseen, c, epochs) for name, c in configs.items()}
        results = {name: future.result() for name, future in futures.items()}
    for name, result in results.items():
        click.echo(f"{name}: {np.mean(result.right(unseen)):.1%} exact in {result.seconds:.0f} s")
    if not dry:
        RUNS.mkdir(exist_ok=True)
        draw_curves(results)
        draw_attention(results["with positions"].trained.network(), codec_of(known))
        write_record(results, known, unseen)


if __name__ == "__main__":
    main()
