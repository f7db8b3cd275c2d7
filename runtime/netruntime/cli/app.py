"""The command group, which turns failures into messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from netruntime.cli.check.command import check
from netruntime.cli.common.failures import EXIT_CODES, PipeClosedError, guarded
from netruntime.cli.completion.command import completion
from netruntime.cli.eval.options import evaluate
from netruntime.cli.explain.command import explain
from netruntime.cli.fmt.command import fmt
from netruntime.cli.generate.options import generate
from netruntime.cli.init.command import init
from netruntime.cli.predict.options import predict
from netruntime.cli.run.options import run
from netruntime.cli.show.command import show
from netruntime.cli.test.command import test
from netruntime.cli.train.options import train

EXIT_HELP = "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {words}" for code, words in EXIT_CODES.items())


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

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise PipeClosedError from None  # click would end the process with the code 1

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which a newcomer uses them."""
        return list(self.commands)


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
      netrun init digits                         write digits.net to start from
      netrun check digits.net                    find every mistake in it
      netrun show digits.net                     its layers, shapes and sizes
      netrun run digits.net --input random       run it
      netrun train digits.net --data digits.npz  train it on data

    `netrun COMMAND --help` has examples for each command.
    """


for _command in (init, check, show, run, train, evaluate, predict, test, generate, fmt, explain, completion):
    cli.add_command(_command)
