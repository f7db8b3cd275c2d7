"""Broken programs: whatever a file says, only `NetError` is raised, and soon.

Each mutant is a file of the corpus with a few tokens dropped, doubled, swapped, replaced, or taken from
another file. The seeds are fixed, so a failure repeats.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from netdsl.checker import check
from netdsl.diagnostics import NetError
from netdsl.modules import load_module, read_source
from netdsl.parsing.layout import tokenize
from netdsl.source import Source

ROOT = Path(__file__).parents[2]
FOLDERS = ("examples", "dsl/netdsl/std", "tests/cases/valid", "tests/cases/invalid", "tests/cases/format")
CORPUS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.net"))
MUTANTS = 400
BATCHES = 8
SECONDS = 2.0

WORDS = """-> => .. , : = ( ) [ ] { } | * ** // / - + @ % == < ~ . _ ' " 0 1 -1 2 0.5 1e9 999999999999 2**62
for in if else when and or not residual via scan true false none as is let layer param buffer const state
next return assert expect input metric model block cell config weights train test import net 1.0 shared
reverse states within x B T Linear Conv MaxPool LSTM MultiHeadAttention relu softmax concat split einsum
reshape flatten f32 i64 bool zeros glorot shape rank len max range ones mean over axis training identity"""


def pieces(path: Path) -> list[str]:
    """The file as tokens, each with the text after it."""
    source = read_source(path)
    try:
        tokens = tokenize(source)
    except NetError:
        return source.text.split(" ")
    starts = [t.start_pos or 0 for t in tokens] + [len(source.text)]
    return [source.text[a:b] for a, b in pairwise(starts)]


def mutant(random: Random, texts: list[list[str]]) -> str:
    parts = list(random.choice(texts))
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(parts))
        match random.randrange(10):
            case 0:
                del parts[at : at + random.randint(1, 3)]
            case 1:
                parts[at:at] = parts[at : at + random.randint(1, 5)]
            case 2:
                other = random.randrange(len(parts))
                parts[at], parts[other] = parts[other], parts[at]
            case 3:
                parts[at] = random.choice(WORDS.split()) + " "
            case 4:
                parts.insert(at, " " + random.choice(WORDS.split()) + " ")
            case 5:
                donor = random.choice(texts)
                start = random.randrange(len(donor))
                parts[at:at] = donor[start : start + random.randint(1, 20)]
            case 6:
                parts[at] = parts[at].swapcase()
            case _:
                replace_alike(random, parts)
        parts = parts or [""]
    return "".join(parts)


def replace_alike(random: Random, parts: list[str]) -> None:
    """Put another name of the file in place of a name, or another number in place of a number."""
    kind = random.choice([str.isidentifier, str.isdecimal])
    places = [n for n, part in enumerate(parts) if kind(part.strip())]
    if places:
        source = parts[random.choice(places)].strip()
        at = random.choice(places)
        parts[at] = parts[at].replace(parts[at].strip(), source)


def attempt(text: str) -> float:
    """How much processor time a check takes; anything but `NetError` is a failure."""
    start = time.process_time()
    try:
        check(load_module(Source("mutant.net", text), ROOT / "tests" / "cases" / "valid"))
    except NetError as found:
        assert str(found)
    return time.process_time() - start


@pytest.mark.parametrize("batch", range(BATCHES))
def test_only_net_errors(batch: int) -> None:
    random = Random(batch)
    texts = [pieces(path) for path in CORPUS]
    for _ in range(MUTANTS // BATCHES):
        text = mutant(random, texts)
        try:
            seconds = attempt(text)
        except Exception as wrong:
            raise AssertionError(f"{type(wrong).__name__} from:\n{text}") from wrong
        assert seconds < SECONDS, f"{seconds:.1f} s for:\n{text}"


def test_prefixes() -> None:
    """A file that is being typed."""
    random = Random(99)
    for path in random.sample(CORPUS, 20):
        text = read_source(path).text
        for _ in range(3):
            attempt(text[: random.randrange(len(text) + 1)])
