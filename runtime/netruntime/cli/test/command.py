"""`netrun test`: runs the tests in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netruntime.cli.common.failures import BAD_FILE, OK
from netruntime.cli.common.options import (
    DeviceFlags,
    device_option,
    file_argument,
    json_option,
    seed_option,
    set_option,
)
from netruntime.cli.common.output import colour_wanted, plural, print_diagnostics, print_json, visible

if TYPE_CHECKING:
    from netruntime.engine.testing import TestResult


@click.command()
@file_argument
@set_option
@click.option("--model", "model_name", metavar="NAME", help="Run the tests of this model only.")
@device_option
@seed_option("Seed of the random weights.")
@json_option
def test(
    file: Path,
    settings: dict[str, str],
    model_name: str | None,
    device: DeviceFlags,
    seed: int,
    as_json: bool,
) -> int:
    """Run the `test` sections of a file, with seeded random weights.

    \b
    Examples:
      netrun test lstm.net
      netrun test lstm.net --device cuda
      netrun test lstm.net --seed 7 --json
    """
    from netruntime.cli.common.devices import choice_of
    from netruntime.cli.common.sources import open_checked, pick_model
    from netruntime.engine.testing import run_tests

    checked = open_checked(file, settings)
    only = pick_model(checked, model_name).name if model_name else None
    results = run_tests(checked, choice_of(device), seed, model=only)
    failed = sum(not result.passed for result in results)
    if as_json:
        print_json(
            {
                "ok": not failed,
                "tests": [_result_dict(result) for result in results],
                "diagnostics": [d.as_dict() for result in results for d in result.failures],
            }
        )
    else:
        _print(results, failed)
    return BAD_FILE if failed else OK


def _print(results: list[TestResult], failed: int) -> None:
    for result in results:
        word = click.style("pass", fg="green") if result.passed else click.style("FAIL", fg="red", bold=True)
        click.echo(f"{word}  {visible(result.name)}", color=colour_wanted())
    broken = [diagnostic for result in results for diagnostic in result.failures]
    if broken:
        print_diagnostics(broken)
    if not results:
        click.echo("the file has no tests")
        return
    click.echo(f"{plural(len(results) - failed, 'test')} passed" + (f", {failed} failed" if failed else ""))


def _result_dict(result: TestResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "file": result.span.source.name,
        "line": result.span.line,
        "passed": result.passed,
        "largest_difference": result.largest_difference,
        "diagnostics": [d.as_dict() for d in result.failures],
    }
