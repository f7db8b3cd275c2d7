"""What loads without an error and may be read wrongly: square matrices, and one of two biases."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence

from netruntime.errors import DataWarning, shown
from netruntime.weight_files.weight_file import WeightFile

LISTED = 6
"""Names shown in a warning; the rest are counted."""
CALLER = 5
"""The frames between the warning and the call of `load`."""

Kinds = Mapping[str, str]
"""The block that each weight of a model belongs to, such as `Linear`, by label path."""


def squares_like(file: WeightFile, names: Sequence[str], kinds: Kinds) -> list[str]:
    """The square matrices that are not transposed, of the kinds of `names`."""
    alike = {kinds[name] for name in names if name in kinds}
    own = [name for name in _matrices(file, kinds) if kinds[name] in alike]
    return [name for name in own if _is_square(file, name) and not _turns(file, name)]


def warn_of_squares(file: WeightFile, kinds: Kinds) -> None:
    """Issue a `DataWarning` where a map reads square matrices otherwise than the others of their kind."""
    for kind, turns, names in _read_otherwise(file, kinds):
        plural, verb = ("s", "are") if len(names) > 1 else ("", "is")
        read, others = ("as given", "are transposed") if turns else ("transposed", "are read as given")
        evidence = f"but other matrices of `{kind}` {others}"
        if not turns and all(_turns(file, name) for name in _alike(file, kinds, kind)):
            evidence = "though such tables and kernels are hardly ever stored transposed"
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        way = "add `transpose` to" if turns else "remove `transpose` from"
        message = (
            f"{len(names)} square weight{plural} of `{kind}` {verb} read {read}, "
            f"{evidence}: {', '.join(map(shown, names[:LISTED]))}{more}; "
            f"if all are stored alike, {way} the rule"
        )
        warnings.warn(message, DataWarning, stacklevel=CALLER)


def warn_of_dropped(file: WeightFile) -> None:
    """Issue a `DataWarning` where a map leaves out one of two biases that PyTorch adds."""
    for name, other in file.dropped_terms():
        message = (
            f"{shown(name)} is left out, but PyTorch adds it to {shown(other)}, which is read: "
            f'write `"{other}" + "{name}" => ...` to read their sum'
        )
        warnings.warn(message, DataWarning, stacklevel=CALLER)


def _read_otherwise(file: WeightFile, kinds: Kinds) -> Iterator[tuple[str, bool, list[str]]]:
    """The kinds, whether their other matrices are transposed, and the square ones that differ."""
    matrices = _matrices(file, kinds)
    for kind in dict.fromkeys(kinds[name] for name in matrices):
        own = _alike(file, kinds, kind)
        ways = {_turns(file, name) for name in own if not _is_square(file, name)}
        ways = ways or {not _is_seldom_turned(file, kind, own) and any(_turns(file, name) for name in own)}
        differing = [name for name in own if _is_square(file, name) and _turns(file, name) not in ways]
        if differing:
            yield kind, ways.pop(), differing


def _alike(file: WeightFile, kinds: Kinds, kind: str) -> list[str]:
    return [name for name in _matrices(file, kinds) if kinds[name] == kind]


def _is_seldom_turned(file: WeightFile, kind: str, names: Sequence[str]) -> bool:
    """Whether all programs store weights alike: tables of embeddings, and kernels, by their last two axes."""
    return kind == "Embedding" or all(len(file.describe(name).shape) > 3 for name in names)


def _turns(file: WeightFile, name: str) -> bool:
    rule = file.rule(name)
    return rule is not None and rule.transpose


def _matrices(file: WeightFile, kinds: Kinds) -> list[str]:
    return [name for name in kinds if name in file and len(file.describe(name).shape) > 1]


def _is_square(file: WeightFile, name: str) -> bool:
    rows, columns = file.describe(name).shape[-2:]
    return rows == columns
