"""`netrun fmt`: rewrites files in their canonical form."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.diagnostics import Diagnostic, NetError
from netruntime.cli.common.failures import BAD_FILE, OK, exit_code, usage_error
from netruntime.cli.common.options import json_option
from netruntime.cli.common.output import print_diagnostics, print_json, visible
from netruntime.cli.common.sources import STDIN, open_text
from netruntime.cli.common.writing import replace_text


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if a file would change."
)
@click.option("--diff", "show_diff", is_flag=True, help="Write nothing; print what would change.")
@json_option
def fmt(files: tuple[Path, ...], only_check: bool, show_diff: bool, as_json: bool) -> int:
    """Rewrite .net files in their canonical form.

    Each file is replaced atomically. `-` reads standard input and writes standard output.

    \b
    Examples:
      netrun fmt lenet5.net
      netrun fmt --check --diff examples/*.net
      netrun fmt - < draft.net
    """
    if STDIN in files and as_json:
        raise usage_error("E0920", "`-` prints the formatted text, so it cannot also print JSON")
    code = OK
    changed: list[str] = []
    diagnostics: list[Diagnostic] = []
    for path in dict.fromkeys(files):
        try:
            if _format(path, only_check, show_diff and not as_json):
                changed.append(str(path))
                code = max(code, BAD_FILE if only_check else OK)
        except NetError as failed:
            diagnostics += failed.diagnostics
            code = max(code, exit_code(failed))
    if as_json:
        print_json({"ok": code == OK, "changed": changed, "diagnostics": [d.as_dict() for d in diagnostics]})
        return code
    if diagnostics:
        print_diagnostics(diagnostics)
    if STDIN not in files and not show_diff:
        _report(changed, len(files), only_check)
    return code


def _format(path: Path, only_check: bool, show_diff: bool) -> bool:
    """Format one file. Returns whether that changes it."""
    from netdsl.formatter import diff_text, format_text

    source = open_text(path)
    text = format_text(source)
    changes = text != source.text
    if show_diff:
        click.echo(visible(diff_text(source)), nl=False)
    elif path == STDIN and not only_check:
        click.echo(text, nl=False)
    elif changes and not only_check:
        replace_text(path, text)
    return changes


def _report(changed: list[str], count: int, only_check: bool) -> None:
    for name in changed:
        click.echo(f"{'would reformat' if only_check else 'reformatted'} {visible(name)}", err=True)
    if not changed and only_check and count > 1:
        click.echo(f"all {count} files are in canonical form", err=True)
