"""The options of data sets on the command line."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from netruntime.cli.data_options import data_options
from netruntime.data import DataOptions


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], DataOptions()),
        (["--resize", "fit", "--scale", "1", "--strict"], DataOptions(resize="fit", scale=1, strict=True)),
        (["--max-length", "9", "--cut", "--pad", "3"], DataOptions(max_length=9, cut=True, pad=3)),
        (["--window", "8", "--stride", "2"], DataOptions(window=8, stride=2)),
        (["--begin", "1", "--end", "2"], DataOptions(begin=1, end=2)),
        (
            ["--tokenizer", "t.json", "--allow-nonfinite"],
            DataOptions(tokenizer=Path("t.json"), allow_nonfinite=True),
        ),
    ],
)
def test_options(arguments: list[str], expected: DataOptions) -> None:
    seen = []

    @click.command()
    @data_options
    def command(options: DataOptions) -> None:
        seen.append(options)

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert seen == [expected]


def test_a_choice_that_is_none() -> None:
    result = CliRunner().invoke(click.command()(data_options(lambda options: None)), ["--resize", "zoom"])
    assert result.exit_code == 2 and "zoom" in result.output
