"""The errors of the runtime, one family per source of trouble, and the door to optional packages."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Self

from netdsl.diagnostics import NetError, error
from netdsl.source import Span

MAX_SHOWN = 160
"""Longer names and values are cut in messages."""


class _MadeError(NetError):
    """A `NetError` family whose members are made from one diagnostic's parts."""

    @classmethod
    def make(
        cls, code: str, message: str, span: Span | None = None, text: str = "", *, help: str | None = None
    ) -> Self:
        """An error of this family with a single diagnostic."""
        return cls(error(code, message, span, text, help=help).diagnostics)


class WeightsError(_MadeError):
    """A weights file that is damaged, cannot be written, or does not fit the model (E0701-E0749)."""


class DataInputError(_MadeError):
    """Data that cannot be read, does not fit the inputs, or that an operator cannot take (E0801-E0869).

    E0822, memory that runs out in an operator, is one of them.
    """


class TrainingError(_MadeError):
    """Training that is asked for wrongly, or whose saved state does not fit (E1050-E1099)."""


class GenerationError(_MadeError):
    """Generation that a model cannot do, or that is asked for wrongly (E1100-E1129)."""


class MissingExtraError(_MadeError):
    """An optional package that is not there, or does not import (E0901-E0909)."""


class DeviceError(_MadeError):
    """A device that was asked for and cannot be used (E0910-E0919)."""


def need_extra(module: str, extra: str, what_for: str) -> ModuleType:
    """The optional module `module`, imported now.

    `what_for` begins the message: `reading PNG and JPEG images`. Raises `MissingExtraError`, with the
    `pip install` line that brings the package in, where it is absent (E0901) or broken (E0902).
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name not in (module, package):
            raise _broken(module, extra, what_for, missing) from missing
        line = f"{what_for} needs `{package}`, which is not installed: pip install netdsl[{extra}]"
        raise MissingExtraError.make("E0901", line) from missing
    except ImportError as broken:
        raise _broken(module, extra, what_for, broken) from broken


def shown(name: object) -> str:
    """A name from outside in backticks: cut where long, with control characters escaped."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))
    return f"`{text[:MAX_SHOWN]}...`" if len(text) > MAX_SHOWN else f"`{text}`"


def _broken(module: str, extra: str, what_for: str, cause: ImportError) -> MissingExtraError:
    reason = str(cause).partition("\n")[0]
    return MissingExtraError.make(
        "E0902",
        f"{what_for} needs `{module}`, which is installed but does not import: {reason}",
        help=f"install it again: pip install --force-reinstall netdsl[{extra}]",
    )
