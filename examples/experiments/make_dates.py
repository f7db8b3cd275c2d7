"""Generates a corpus for translation: written dates, and the same dates in ISO 8601.

    python examples/experiments/make_dates.py --out /tmp/dates

Each date of 1900 to 2099 is drawn at most once, in one of seven spellings, so that no date of the test set is
in the training set in any spelling. Line n of `*.words.txt` is the source, and line n of `*.iso.txt` its
translation. The files depend on the seed alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import click

FIRST, DAYS = date(1900, 1, 1), 73049
"""The dates: 200 years."""
MONTHS = ("january february march april may june july august september october november december").split()
UNITS = "zero one two three four five six seven eight nine".split()
TEENS = ("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen").split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
Pair = tuple[str, str]
"""A spelling of a date, and its ISO form."""
SUFFIXES = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}


def number_in_words(number: int) -> str:
    """A number of 0 to 99."""
    if number < 20:
        return (UNITS + TEENS)[number]
    tens, units = divmod(number, 10)
    return TENS[tens - 2] + (f" {UNITS[units]}" if units else "")


def ordinal_in_words(day: int) -> str:
    """A day of a month, `third` or `twenty first`."""
    if day <= 20:
        return ORDINALS[day - 1]
    tens, units = divmod(day, 10)
    return f"{TENS[tens - 2]} {ORDINALS[units - 1]}" if units else "thirtieth"


def year_in_words(year: int) -> str:
    """A year as it is spoken: `nineteen eighty four`, `nineteen oh five`, `two thousand and nine`."""
    century, rest = divmod(year, 100)
    if century == 20 and rest < 10:
        return "two thousand" + (f" and {UNITS[rest]}" if rest else "")
    if rest == 0:
        return f"{number_in_words(century)} hundred"
    return f"{number_in_words(century)} {'oh ' if rest < 10 else ''}{number_in_words(rest)}"


def of_month(day: date) -> str:
    """`the third of march nineteen eighty four`"""
    return f"the {ordinal_in_words(day.day)} of {MONTHS[day.month - 1]} {year_in_words(day.year)}"


def month_first(day: date) -> str:
    """`march third nineteen eighty four`"""
    return f"{MONTHS[day.month - 1]} {ordinal_in_words(day.day)} {year_in_words(day.year)}"


def in_figures(day: date) -> str:
    """`3 march 1984`"""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def with_suffix(day: date) -> str:
    """`march 3rd, 1984`"""
    return f"{MONTHS[day.month - 1]} {day.day}{SUFFIXES.get(day.day, 'th')}, {day.year}"


def abbreviated(day: date) -> str:
    """`3 mar 84`, for the years that two figures stand for: 1950 to 2049."""
    if not 1950 <= day.year < 2050:
        return in_figures(day)
    return f"{day.day} {MONTHS[day.month - 1][:3]} {day.year % 100:02d}"


def with_dots(day: date) -> str:
    """`3.4.1984`: the day comes first."""
    return f"{day.day}.{day.month}.{day.year}"


def with_slashes(day: date) -> str:
    """`4/3/1984`: the month comes first."""
    return f"{day.month}/{day.day}/{day.year}"


SPELLINGS: dict[str, Callable[[date], str]] = {
    "of month": of_month,
    "month first": month_first,
    "in figures": in_figures,
    "with suffix": with_suffix,
    "abbreviated": abbreviated,
    "with dots": with_dots,
    "with slashes": with_slashes,
}


def make_pairs(count: int, seed: int) -> list[Pair]:
    """Pairs of a spelling and its ISO form, of `count` different dates in an order drawn from the seed."""
    rng = random.Random(seed)
    days = [FIRST + timedelta(number) for number in rng.sample(range(DAYS), count)]
    spellings = list(SPELLINGS.values())
    return [(rng.choice(spellings)(day), day.isoformat()) for day in days]


def write_pairs(pairs: Sequence[Pair], folder: Path, name: str) -> tuple[Path, Path]:
    """Write `NAME.words.txt` and `NAME.iso.txt`; their paths."""
    paths = folder / f"{name}.words.txt", folder / f"{name}.iso.txt"
    for side, path in enumerate(paths):
        path.write_text("".join(pair[side] + "\n" for pair in pairs), "utf-8")
    return paths


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to write to.")
@click.option("--train", default=12000, show_default=True, help="Pairs to train on.")
@click.option("--test", default=1000, show_default=True, help="Pairs of other dates.")
@click.option("--seed", default=1, show_default=True)
def main(out: Path, train: int, test: int, seed: int) -> None:
    """Write `train` and `test` pairs of dates into a folder."""
    pairs = make_pairs(train + test, seed)
    out.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", pairs[:train]), ("test", pairs[train:])):
        write_pairs(part, out, name)
    click.echo(f"{train} pairs to train on and {test} to test on are in {out}")


if __name__ == "__main__":
    main()
