"""Random command lines: every command, every option with right and odd values, small real files, odd streams.

The exit code is one that docs/cli.md lists, and never that of an internal error; nothing ends in a traceback.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from random import Random

import click

from fuzz.callers.folder import fill
from fuzz.callers.processes import INPUTS, OUTPUTS, Streams, judge, netrun
from netruntime.cli.app import COMMANDS, cli

SHORT = 60
SECONDS = 5.0
FILES = """m.net w.net wrong.net parts.net d.npz d.csv x.npy w.safetensors run run/best.safetensors no.npz .
out out.npz out.csv out.svg /dev/null d.npz:x *.npz labels.txt vocab.json stdin.txt - random""".split()
ODD = [
    "",
    " ",
    "x",
    "-1",
    "0",
    "1",
    "3",
    "0.5",
    "1e400",
    "nan",
    "99999999999999999999",
    "a=b",
    "x=",
    "=",
    "\udcff",
]
ODD += ["é" * 300, "1,2", "1,,2", "/", "..", "x=random", "[]", "*", "E0201", "relu", "\x1b[31m"]
RIGHT = {
    "set": ("width=3", "width=8"),
    "train": ("optimizer=sgd(0.1)", "epochs=2"),
    "size": ("B=2", "T=3"),
    "input": ("x=x.npy", "x=d.npz:x", "random", "ids=random", "x=d.csv"),
    "data": ("d.npz", "d.csv", "d*.csv"),
    "valid": ("d.npz", "d.csv"),
    "weights": ("w.safetensors", "run", "run/best.safetensors"),
    "out": ("out", "out.csv", "out.npz", "run"),
    "output": ("out.svg", "out.html"),
    "save": ("out.npy", "out.npz", "out.json"),
    "tap": ("fc",),
    "labels": ("labels.txt",),
    "prompt": ("abc", "-"),
    "prompt_ids": ("1,2",),
    "vocab": ("vocab.json",),
    "device": ("cpu", "auto"),
    "model": ("M", "W"),
    "augment": ("normalise=0.1/0.2", "flip"),
    "seed": ("0", "7"),
    "config": ("width=4",),
}
"""Values that an option may well take, by its name in Python; for numbers and choices they are made."""
NEEDED = {
    "run": ["m.net", "--input", "random"],
    "train": ["m.net", "--data", "d.npz", "--steps", "1"],
    "eval": ["m.net", "--data", "d.npz"],
    "predict": ["m.net", "--data", "d.npz", "--out", "out.npz"],
    "generate": ["w.net", "--prompt-ids", "1,2", "--max", "2"],
}
"""What a command needs at least."""
ENDLESS = {"watch", "live"}


@cache
def options(command: str) -> list[click.Option]:
    """The options of a command, without those that wait for a change."""
    params = cli.get_command(click.Context(cli), command).params  # type: ignore[union-attr]
    return [option for option in params if isinstance(option, click.Option) and option.name not in ENDLESS]


def value(random: Random, option: click.Option) -> str:
    """A value for an option: one that fits, a file, or an odd one."""
    kind = random.random()
    if kind > 0.8:
        return random.choice(FILES if kind > 0.9 else ODD)
    if isinstance(option.type, click.Choice):
        return str(random.choice(option.type.choices))
    is_whole = isinstance(option.type, (click.IntRange, click.types.IntParamType))
    numbers = ("1", "2", "3") if is_whole else ("0.5", "1", "0.1")
    return random.choice(RIGHT.get(option.name or "", numbers))


def line(random: Random) -> list[str]:
    """A command, mostly with what it needs, and up to four options."""
    command = random.choice(list(COMMANDS))
    words = [command, *NEEDED.get(command, [random.choice(FILES[:4])])]
    if random.random() < 0.15:
        words = [command, *random.choices(FILES + ODD, k=random.randint(0, 2))]
    for option in random.sample(options(command), min(len(options(command)), random.randint(0, 4))):
        words.append(random.choice([*option.opts, *option.secondary_opts]))
        if not option.is_flag:
            words.append(value(random, option))
    if random.random() < 0.1:
        words.insert(random.randrange(len(words)), random.choice(FILES + ODD))
    return words


def trial(random: Random) -> str:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        words = line(random)
        output = random.choice(("file", "file", *OUTPUTS))
        streams = Streams(random.choice(INPUTS), output, random.choice(("file", "file", *OUTPUTS)))
        done = netrun(random, words, Path(folder), streams)
        judge(done, f"{words} with {streams}")
        return f"exit {done.code}"
