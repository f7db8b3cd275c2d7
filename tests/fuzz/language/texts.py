"""Broken programs: a file of the corpus with a few tokens dropped, doubled, swapped, replaced or added.

Of what parses, the canonical form is its own canonical form; what checks is built.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random

from fuzz.campaign import showing
from netdsl.checker import check
from netdsl.diagnostics import NetError
from netdsl.formatter import format_text
from netdsl.graph import build
from netdsl.modules import load_module, read_source
from netdsl.parsing.lexing import tokenize
from netdsl.parsing.parser import read
from netdsl.source import Source

SHORT = 400
ROOT = Path(__file__).parents[3]
FOLDERS = ("examples", "dsl/netdsl/std", "tests/cases/valid", "tests/cases/invalid", "tests/cases/format")
CORPUS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.net"))

WORDS = """-> => .. , : = ( ) [ ] { } | * ** // / - + @ % == < ~ . _ ' " 0 1 -1 2 0.5 1e9 999999999999 2**62
for in if else when and or not residual via scan true false none as is let layer param buffer const state
next return assert expect input metric model block cell config weights train test import net 1.0 shared
reverse states within x B T Linear Conv MaxPool LSTM MultiHeadAttention relu softmax concat split einsum
reshape flatten f32 i64 bool zeros glorot shape rank len max range ones mean over axis training identity"""


def pieces(path: Path) -> list[str]:
    """The file as tokens, each with the text after it."""
    source = read_source(path)
    tokens, findings = tokenize(source)
    if findings:
        return source.text.split(" ")
    starts = [t.start_pos or 0 for t in tokens] + [len(source.text)]
    return [source.text[a:b] for a, b in pairwise(starts)]


@cache
def corpus() -> list[list[str]]:
    return [pieces(path) for path in CORPUS]


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


def program(random: Random) -> str:
    """A broken program; sometimes only the first part of one, as of a file that is being typed."""
    if random.random() < 0.1:
        text = read_source(random.choice(CORPUS)).text
        return text[: random.randrange(len(text) + 1)]
    return mutant(random, corpus())


def trial(random: Random) -> str:
    text = program(random)
    with showing(text):
        return attempt(text)


def attempt(text: str) -> str:
    """How far a text gets: it is refused, or parses, or checks."""
    source = Source("mutant.net", text)
    outcome = "refused by the parser"
    try:
        if read(source).findings:  # what can be read of it is checked all the same
            check(load_module(source, ROOT / "tests" / "cases" / "valid"))
            raise AssertionError("a text with syntax errors passes the check")
        outcome = "refused by the check"
        canonical = format_text(source)
        assert format_text(Source("mutant.net", canonical)) == canonical, "the format is not canonical"
        checked = check(load_module(source, ROOT / "tests" / "cases" / "valid"))
        outcome = "refused by the build"
        for model in checked.models.values():
            if model.body.size < 5_000:
                build(model)
    except NetError as wrong:
        assert str(wrong)
        return outcome
    return "built"
