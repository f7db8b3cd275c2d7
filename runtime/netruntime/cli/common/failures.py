"""Turns failures into messages on standard error, or JSON on standard output, and an exit code."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import click

from netdsl.diagnostics import Diagnostic, NetError
from netruntime.cli.common.output import print_diagnostics, print_json, warnings_as_notes
from netruntime.cli.common.streams import OutputError, PipeClosedError, let_go, open_standard_streams
from netruntime.errors import (
    DataInputError,
    DeviceError,
    GenerationError,
    MissingExtraError,
    TrainingError,
    WeightsError,
    shown,
)

OK, BAD_FILE, USAGE, BAD_DATA, SYSTEM, BUG, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 4, 70, 130, 141

EXIT_CODES = {
    OK: "success",
    BAD_FILE: "errors in the .net file, a test that fails, or a file that `fmt --check` would change",
    USAGE: "the command line is invalid",
    BAD_DATA: "data, weights or a checkpoint do not fit the model, or training diverged",
    SYSTEM: "a device, an optional package, a file, or enough memory is unavailable",
    BUG: "netrun itself failed",
    INTERRUPTED: "interrupted",
}

OUT_OF_MEMORY = frozenset({"E0727", "E0822"})
"""The codes of weights and values that do not fit in memory."""

DIVERGED = "E1071"
"""The code of a loss or a gradient that is no longer finite."""

NOT_WRITTEN = frozenset({"E1052", "E1053", "E1055"})
"""The codes of checkpoints that cannot be written."""

GENERATION_CODES = {"E1100": BAD_FILE, "E1101": USAGE, "E1102": BAD_FILE, "E1105": USAGE, "E1108": USAGE}
"""Exit codes of generation errors that are not about data."""

TRACEBACK_VARIABLE = "NETRUN_TRACEBACK"


class CommandLineError(NetError):
    """An invalid option or argument (E0920 to E0939)."""


class FileAccessError(NetError):
    """A file that cannot be read or written (E0940 to E0949)."""


def usage_error(code: str, message: str, help: str | None = None) -> CommandLineError:
    """A `CommandLineError` with one diagnostic."""
    return CommandLineError(Diagnostic(code, message, help=help))


def file_error(code: str, message: str, help: str | None = None) -> FileAccessError:
    """A `FileAccessError` with one diagnostic."""
    return FileAccessError(Diagnostic(code, message, help=help))


def guarded(call: Callable[[], Any], arguments: Sequence[str]) -> int:
    """Run a command and report its failures. Returns the exit code."""
    as_json = "--json" in arguments
    open_standard_streams()
    try:
        with warnings_as_notes():
            result = _reported(call, as_json, arguments)
        sys.stdout.flush()
    except (BrokenPipeError, PipeClosedError):
        result = PIPE_CLOSED
    except OutputError as reason:
        result = _report_unwritable(reason)
    let_go(sys.stdout)
    let_go(sys.stderr)
    return result


def exit_code(failed: NetError) -> int:
    """The documented exit code for a failure."""
    if failed.code in OUT_OF_MEMORY:
        return SYSTEM
    if isinstance(failed, (DataInputError, WeightsError)):
        return BAD_DATA
    if isinstance(failed, (DeviceError, MissingExtraError, FileAccessError)):
        return SYSTEM
    if isinstance(failed, GenerationError):
        return GENERATION_CODES.get(failed.code, BAD_DATA)
    if isinstance(failed, TrainingError) and (failed.diagnostics[0].span is None or failed.code == DIVERGED):
        return SYSTEM if failed.code in NOT_WRITTEN else BAD_DATA
    codes = {diagnostic.code for diagnostic in failed.diagnostics if diagnostic.span is None}
    if isinstance(failed, CommandLineError) or codes & {"E0861", "E0871", "E0872"}:
        return USAGE
    return SYSTEM if "E0613" in codes else BAD_FILE


def report(diagnostics: Iterable[Diagnostic], as_json: bool) -> None:
    """Print diagnostics: as text on standard error, or as one JSON document."""
    if as_json:
        print_json({"ok": False, "diagnostics": [d.as_dict() for d in diagnostics]})
    else:
        print_diagnostics(diagnostics)


def _reported(call: Callable[[], Any], as_json: bool, arguments: Sequence[str]) -> int:
    try:
        return call() or OK
    except NetError as failed:
        report(failed.diagnostics, as_json)
        return exit_code(failed)
    except click.ClickException as misused:
        _report_misuse(misused, as_json, arguments)
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        report([Diagnostic("E0909", "interrupted")], True) if as_json else click.echo("interrupted", err=True)
        return INTERRUPTED
    except (BrokenPipeError, PipeClosedError, OutputError):
        raise
    except MemoryError:
        report([Diagnostic("E0945", "there is not enough memory")], as_json)
        return SYSTEM
    except OSError as reason:
        report([_refusal(reason)], as_json)
        return SYSTEM
    except SystemExit:
        raise
    except BaseException as bug:  # a panic is not an `Exception`; no traceback is shown
        return _report_bug(bug, as_json)


def _refusal(reason: OSError) -> Diagnostic:
    """What the system refused, where no part of the command says what it was needed for."""
    words = reason.strerror or str(reason)
    place = f" for {shown(reason.filename)}" if reason.filename is not None else ""
    help = "check the disk space, the permissions, and the limits of the process (ulimit -a)"
    return Diagnostic("E0946", f"the system refused a call{place}: {words}", help=help)


def _report_unwritable(reason: OutputError) -> int:
    """Standard output is full or closed: only standard error is left, if that."""
    message = f"standard output cannot be written: {reason}"
    help = "redirect it to a file on a disk with free space"
    with suppress(OSError, PipeClosedError):
        print_diagnostics([Diagnostic("E0941", message, help=help)])
    return SYSTEM


OPTIONS_OF_OTHERS = {
    "--learning-rate": "--lr",
    "--learning_rate": "--lr",
    "--batch_size": "--batch-size",
    "--bs": "--batch-size",
    "--batch": "--batch-size",
    "--num-epochs": "--epochs",
    "--max-epochs": "--epochs",
    "--n-epochs": "--epochs",
    "--checkpoint": "--weights",
    "--ckpt": "--weights",
    "--model-path": "--weights",
    "--max-tokens": "--max",
    "--max-new-tokens": "--max",
    "--max_new_tokens": "--max",
    "--output": "--out",
    "--gpu": "--device",
    "--dataset": "--data",
    "--val": "--valid",
    "--validation": "--valid",
    "--config": "--set",
    "--weight-decay": "--train",
    "--momentum": "--train",
}
"""Options of other programs and their counterparts here, which are suggested where a command has them."""


def _report_misuse(misused: click.ClickException, as_json: bool, arguments: Sequence[str]) -> None:
    if isinstance(misused, click.NoSuchOption) and misused.ctx is not None:
        ours = OPTIONS_OF_OTHERS.get(misused.option_name)
        known = {option for param in misused.ctx.command.params for option in param.opts}
        if ours in known:
            message = f"No such option '{misused.option_name}'. It is called '{ours}' here."
            misused = click.UsageError(message, misused.ctx)
        else:
            near = _nearest(misused.option_name, misused.possibilities or ())
            misused = click.NoSuchOption(misused.option_name, possibilities=near, ctx=misused.ctx)
    misused = _with_example(misused, arguments)
    if isinstance(misused, click.MissingParameter) and misused.ctx is not None:
        misused = click.UsageError(
            f"{misused.format_message()} {_complete(misused, arguments)}".rstrip(), misused.ctx
        )
    if as_json:
        report([Diagnostic("E0900", misused.format_message())], as_json)
    else:
        misused.show()


def _nearest(name: str, options: Sequence[str]) -> list[str]:
    """Of the options that a misspelt one may mean, those that it begins or that begin it, if any."""
    nearest = [option for option in options if option.startswith(name) or name.startswith(option)]
    return nearest or list(options)


def _with_example(misused: click.ClickException, arguments: Sequence[str]) -> click.ClickException:
    """The misuse with an example of a value, or of where the file goes that was given in another place."""
    ctx, help = getattr(misused, "ctx", None), ""
    named = next((a for o, a in pairwise(arguments) if o == "--model" and a.endswith(".net")), None)
    if ctx is None:
        return misused
    if named is not None:
        rest = [word for word in arguments[1:] if word not in ("--model", named)]
        help = f"Pass the file without an option: {shlex.join(['netrun', arguments[0], named, *rest])}"
    elif isinstance(misused, click.BadParameter) and isinstance(misused.param, click.Option):
        if isinstance(misused.param.type, click.IntRange | click.FloatRange):
            default, usual = misused.param.default, _in_range(misused.param.type)
            value = default if isinstance(default, int | float) and default else usual
            help = f"For example: {misused.param.opts[0]} {value}"
    elif "--resume" in arguments and "unexpected extra argument" in misused.format_message():
        folder = arguments[list(arguments).index("--resume") + 1 :][:1]
        if folder and not folder[0].startswith("-"):
            help = f"--resume takes no value; pass the run's folder with --out: --out {folder[0]} --resume"
    if not help:
        return misused
    message = misused.format_message().partition(" Did you")[0].partition(" (Did you")[0].rstrip(".")
    message = message.replace("a valid integer range", "an integer").replace(
        "a valid float range", "a number"
    )
    return click.UsageError(f"{message}. {help}", ctx)


EXAMPLE = 10
"""A number for an option in an example."""


def _in_range(range: click.IntRange | click.FloatRange) -> float:
    """The usual example, or the nearest number that the option may be."""
    least = EXAMPLE if range.min is None else max(EXAMPLE, range.min)
    return least if range.max is None else min(least, range.max)


def _complete(misused: click.MissingParameter, arguments: Sequence[str]) -> str:
    """The command with an example of the option that is missing, or with the path that was meant for it."""
    ctx, missing = misused.ctx, misused.param
    if ctx is None or not isinstance(missing, click.Option):
        return ""
    words, option = [*arguments], missing.opts[0]
    files = [index for index, word in enumerate(words) if word.endswith(".net")]
    if files and files[0] == len(words) - 2 and not words[-1].startswith("-"):
        words.insert(-1, option)
    else:
        words += [option, EXAMPLES.get(option, "VALUE")]
    return f"For example: {shlex.join(['netrun', *words])}"


EXAMPLES = {"--data": "train.csv", "--weights": "model.safetensors"}
"""What an option may be, in an example of a command."""


def _report_bug(bug: BaseException, as_json: bool) -> int:
    if os.environ.get(TRACEBACK_VARIABLE):
        raise bug
    words = str(bug).partition("\n")[0]
    message = f"netrun itself failed: {type(bug).__name__}: {words}"
    help = f"this is a bug; please report it with the output of {TRACEBACK_VARIABLE}=1"
    report([Diagnostic("E0999", message, help=help)], as_json)
    return BUG
