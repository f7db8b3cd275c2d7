"""A command whose help lists its options in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import click

Groups = Mapping[str, Sequence[str]]
"""For each heading the options below it, by the names of their parameters."""

READING = ("resize", "scale", "mean", "std", "sizes", "tokenizer", "max_length", "cut", "allow_nonfinite")
ENGINE = ("device", "engine", "threads", "exact")
ROWS = ("window", "stride", "strict")


def grouped(groups: Groups) -> Callable[[click.Command], click.Command]:
    """Let the help of a command list its options in groups; those in none come last, under `Other`."""

    def regroup(command: click.Command) -> click.Command:
        def format_options(ctx: click.Context, formatter: click.HelpFormatter) -> None:
            for heading, parameters in _sections(command.get_params(ctx), groups):
                records = [record for p in parameters if (record := p.get_help_record(ctx))]
                with formatter.section(heading):
                    formatter.write_dl(records)

        command.format_options = format_options  # type: ignore[method-assign]
        return command

    return regroup


def _sections(
    parameters: Sequence[click.Parameter], groups: Groups
) -> Iterator[tuple[str, list[click.Parameter]]]:
    left = {str(parameter.name): parameter for parameter in parameters if isinstance(parameter, click.Option)}
    for heading, names in groups.items():
        yield heading, [left.pop(name) for name in names if name in left]
    if left:
        yield "Other", list(left.values())
