"""The errors of the runtime, one family per cause, and the import of optional packages."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Self

from netdsl.diagnostics import NetError, error
from netdsl.source import Span

MAX_SHOWN = 160
"""Longer names and values are truncated in messages."""


class _Family(NetError):
    """A `NetError` family whose members are made from the parts of one diagnostic."""

    @classmethod
    def make(
        cls, code: str, message: str, span: Span | None = None, text: str = "", *, help: str | None = None
    ) -> Self:
        """An error of this family with a single diagnostic."""
        return cls(error(code, message, span, text, help=help).diagnostics)


class WeightsError(_Family):
    """A weights file that is damaged, cannot be written, or does not fit the model (E0701-E0749)."""


class DataInputError(_Family):
    """Data that cannot be read, does not fit the inputs, or is rejected by an operator (E0801-E0869).

    It includes E0822: an operator runs out of memory.
    """


class DataWarning(UserWarning):
    """What was done to arrays or weights that may not be meant, such as scaling bytes."""


class TrainingError(_Family):
    """Training with invalid settings, or with a saved state that does not match (E1050-E1099)."""


class GenerationError(_Family):
    """Generation with invalid settings, or with a model that does not support it (E1100-E1129)."""


class MissingExtraError(_Family):
    """An optional package that is not installed or cannot be imported (E0901-E0909)."""


class ArgumentError(_Family, TypeError):
    """An argument of a Python function that it cannot take (E0870); also a `TypeError`."""


class DeviceError(_Family):
    """A requested device that cannot be used (E0910-E0919)."""


def need_extra(module: str, extra: str, what_for: str) -> ModuleType:
    """Import the optional module `module`.

    `what_for` begins the message: `reading PNG and JPEG images`. Raises `MissingExtraError`, with the
    `pip install` command, if the package is not installed (E0901) or cannot be imported (E0902).
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name not in (module, package):
            raise _broken(module, extra, what_for, missing) from missing
        line = f"{what_for} needs `{package}`, which is not installed: {_install(extra)}"
        raise MissingExtraError.make("E0901", line) from missing
    except ImportError as broken:
        raise _broken(module, extra, what_for, broken) from broken


def shown(name: object) -> str:
    """A name from outside in backticks: truncated if long, with control characters escaped."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))
    return f"`{text[:MAX_SHOWN]}...`" if len(text) > MAX_SHOWN else f"`{text}`"


def _install(extra: str, option: str = "") -> str:
    """The command that installs an extra; the quotes are for shells in which brackets are a pattern."""
    return f'pip install {option}"netdsl[{extra}]"'


def _broken(module: str, extra: str, what_for: str, cause: ImportError) -> MissingExtraError:
    reason = str(cause).partition("\n")[0]
    return MissingExtraError.make(
        "E0902",
        f"{what_for} needs `{module}`, which is installed but cannot be imported: {reason}",
        help=f"install it again: {_install(extra, '--force-reinstall ')}",
    )
