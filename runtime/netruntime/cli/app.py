"""The command group, which turns failures into messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

import click

from netruntime.cli.common.failures import EXIT_CODES, guarded

EXIT_HELP = "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {words}" for code, words in EXIT_CODES.items())


COMMANDS = {
    "init": "init.command:init",
    "check": "check.command:check",
    "show": "show.command:show",
    "run": "run.options:run",
    "train": "train.options:train",
    "eval": "eval.options:evaluate",
    "predict": "predict.options:predict",
    "profile": "profile.options:profile",
    "test": "test.command:test",
    "generate": "generate.options:generate",
    "fmt": "fmt.command:fmt",
    "explain": "explain.command:explain",
    "info": "info.command:info",
    "completion": "completion.command:completion",
}
"""Each command's module and function below `netruntime.cli`; only the one that runs is imported."""


class Commands(click.Group):
    """A group that reports every failure as a message and ends with a documented exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command and end the process; `standalone_mode` is ignored: failures become messages here."""
        arguments = list(sys.argv[1:] if args is None else args)
        run = super().main
        name = prog_name or "netrun"
        sys.exit(
            guarded(lambda: run(arguments, name, complete_var, standalone_mode=False, **extra), arguments)
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List every command with its complete first sentence."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(limit=200)) for name, command in commands if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which a newcomer uses them."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names; for another word, an error with what may be meant."""
        word = args[0] if args else ""
        if word not in COMMANDS and not word.startswith("-"):
            ctx.fail(f"No such command '{word}'. {_meant(word, args[1:])}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name, imported now."""
        if cmd_name not in COMMANDS:
            return None  # `resolve_command` says what may be meant
        module, _, function = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"netruntime.cli.{module}"), function)
        return command


def _meant(word: str, rest: Sequence[str]) -> str:
    """What to write for a word that is not a command."""
    if word.endswith(".net"):
        return f"Write 'netrun check {word}'; the other commands are {', '.join(list(COMMANDS)[2:8])}."
    ours = _COMMANDS_OF_OTHERS.get(word.lower())
    near = [ours] if ours else get_close_matches(word.lower(), COMMANDS, n=1)
    return f"Did you mean '{' '.join(['netrun', near[0], *rest])}'?" if near else "'netrun --help' lists all."


_COMMANDS_OF_OTHERS = {
    **dict.fromkeys(("fit", "learn", "finetune", "fine-tune"), "train"),
    **dict.fromkeys(("evaluate", "score", "validate-data"), "eval"),
    **dict.fromkeys(("validate", "lint", "verify", "compile"), "check"),
    **dict.fromkeys(("format",), "fmt"),
    **dict.fromkeys(("infer", "inference"), "predict"),
    **dict.fromkeys(("draw", "plot", "summary", "view", "graph"), "show"),
    **dict.fromkeys(("new", "create"), "init"),
    **dict.fromkeys(("sample", "complete"), "generate"),
    **dict.fromkeys(("help", "man"), "explain"),
    **dict.fromkeys(("bench", "benchmark", "time", "perf", "trace"), "profile"),
    **dict.fromkeys(("version", "env", "doctor", "about", "devices"), "info"),
}
"""Commands of other programs, and ours."""


def _print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"netrun {version('netdsl')}")
    except PackageNotFoundError:
        click.echo("netrun (from a source tree that is not installed)")
    ctx.exit()


@click.group(
    name="netrun",
    cls=Commands,
    epilog=EXIT_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def cli() -> None:
    """Neural networks as readable text.

    \b
    A first session:
      netrun init digits                     write digits.net to start from
      netrun check digits.net                find every mistake in it
      netrun show digits.net                 its layers, shapes and sizes
      netrun run digits.net --input random   run it
      netrun train digits.net --data examples/data/digits.npz    train it on data from the repository

    `netrun COMMAND --help` has examples for each command.
    """
