"""Do these weights fit this model? Every difference in one error, with what was probably meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any

from netdsl.diagnostics import Diagnostic, Label
from netdsl.immutable import immutable
from netruntime.errors import WeightsError, shown
from netruntime.files.arrays import FLOATS, Array, ArrayInfo, CastError, cast_float, cast_int
from netruntime.weight_files.proposing.proposal import propose
from netruntime.weight_files.room import check_room
from netruntime.weight_files.rules import Rule
from netruntime.weight_files.turned import Kinds, squares_like, warn_of_dropped, warn_of_squares
from netruntime.weight_files.weight_file import WeightFile, from_mapping

MAX_LISTED = 12
"""Names shown per kind of difference; the rest are counted."""

MAX_COMPARED = 3
"""Names shown of each side where nothing fits."""

Expected = Mapping[str, tuple[tuple[int, ...], str]]
"""What the model needs: name to shape and element type (`f32`)."""

Shape = tuple[int, ...]

_INT_RANGES = {f"{sign}{bits}": (sign, bits) for sign in "iu" for bits in (8, 16, 32, 64)}


@immutable
class WeightMatch:
    """Weights that fit. `missing` and `unexpected` are empty after a strict match.

    `arrays` holds the model's names in its own element types; `converted` says which had another
    (`{"fc.w": ("bf16", "f32")}`). Arrays that needed no conversion may be read-only views of a file.
    """

    arrays: Mapping[str, Array]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    converted: Mapping[str, tuple[str, str]]

    def summary(self) -> str:
        """One line: how many weights there are, and which conversions were made."""
        counts: dict[tuple[str, str], int] = {}
        for pair in self.converted.values():
            counts[pair] = counts.get(pair, 0) + 1
        parts = [f"{len(self.arrays)} weights"]
        parts += [f"{n} converted from {old} to {new}" for (old, new), n in counts.items()]
        parts += [f"{len(self.missing)} missing"] if self.missing else []
        parts += [f"{len(self.unexpected)} not used"] if self.unexpected else []
        return ", ".join(parts)


def match_weights(
    expected: Expected, given: Mapping[str, Any], *, strict: bool = True, kinds: Kinds | None = None
) -> WeightMatch:
    """Fit `given` (arrays, or what `read_weights` returns) to the names a model expects.

    Float types convert into each other, integers into wider ones; nothing else does. Without `strict`,
    names may be missing or left over; shapes and types must fit all the same. `kinds` are the blocks of the
    weights: a `DataWarning` says where square matrices are read otherwise than the others of their kind.

    Raises one `WeightsError` with all that is wrong: E0721 missing names, E0722 unexpected ones, E0723
    shapes, E0724 element types; and E0725 for values that the model's type cannot hold.
    """
    file = from_mapping(given)
    wanted = {name: ArrayInfo(dtype, tuple(shape)) for name, (shape, dtype) in expected.items()}
    missing = tuple(name for name in wanted if name not in file)
    unexpected = tuple(name for name in file if name not in wanted)
    present = [name for name in wanted if name in file]
    problems = [
        *_missing_problem(file, wanted, missing if strict else (), unexpected),
        *_unexpected_problem(file, unexpected if strict else (), missing),
        *_shape_problem(file, wanted, present, kinds or {}),
        *_dtype_problem(file, wanted, present),
    ]
    if problems and strict:
        problems = _with_map(problems, file, {n: wanted[n] for n in missing}, unexpected, kinds or {})
    if problems:
        raise WeightsError(problems)
    warn_of_squares(file, kinds or {})
    warn_of_dropped(file)
    stored = {name: file.describe(name).dtype for name in present}
    converted = {
        name: (stored[name], wanted[name].dtype) for name in present if stored[name] != wanted[name].dtype
    }
    _check_copies(file, wanted, converted)
    arrays = {name: _convert(file, name, wanted[name].dtype) for name in present}
    return WeightMatch(arrays, missing, unexpected, converted)


def _with_map(
    problems: list[Diagnostic],
    file: WeightFile,
    missing: Mapping[str, ArrayInfo],
    unexpected: Sequence[str],
    kinds: Kinds,
) -> list[Diagnostic]:
    """The problems with a `weights` map that solves them, where the weights fit under other names."""
    if problems[0].help is not None or any(file.rule(name) is not None for name in file):
        return problems
    if any(one.labels for one in problems):
        return problems  # the map of the file is to be corrected
    proposal = propose(missing, {name: file.describe(name) for name in unexpected}, kinds)
    if proposal is None:
        is_apart = len(unexpected) == len(file)
        return (_unrelated(file, missing, unexpected) if is_apart else []) or problems
    help = str(proposal)
    return [replace(one, help=help if one.code == "E0721" else None) for one in problems]


def _unrelated(
    file: WeightFile, missing: Mapping[str, ArrayInfo], unexpected: Sequence[str]
) -> list[Diagnostic]:
    """One problem in place of lists of all names, where no matrix or kernel of the file has a place."""
    theirs = {name: file.describe(name) for name in unexpected}
    if not missing or not theirs or _sizes(missing) & _sizes(theirs):
        return []
    message = (
        f"nothing of {shown(file.source)} fits the model\n"
        f"    the model needs {_some(missing)}\n"
        f"    the file holds {_some(theirs)}"
    )
    return [Diagnostic("E0721", message, help="use weights that were saved from this model")]


def _sizes(infos: Mapping[str, ArrayInfo]) -> set[tuple[int, ...]]:
    """The sizes of the matrices and kernels, in any order of their axes; of all weights if there are none."""
    large = [info.shape for info in infos.values() if len(info.shape) > 1]
    return {tuple(sorted(shape)) for shape in large or [info.shape for info in infos.values()]}


def _some(infos: Mapping[str, ArrayInfo]) -> str:
    first = [f"{shown(name)} {info}" for name, info in [*infos.items()][:MAX_COMPARED]]
    more = [".."] if len(infos) > MAX_COMPARED else []
    return f"{_count([*infos], 'weight', 'weights')}: {', '.join([*first, *more])}"


def nearest_names(name: str, info: ArrayInfo, pool: Mapping[str, ArrayInfo], count: int = 3) -> list[str]:
    """Up to `count` names of `pool` that `name` may be known by, best first; equal shapes count for much."""
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(name)
    best: list[tuple[float, str]] = []
    for candidate, other in pool.items():
        bonus = _shape_bonus(info.shape, other.shape)
        floor = best[-1][0] if len(best) == count else 0.5
        matcher.set_seq1(candidate)
        if matcher.quick_ratio() + bonus > floor and (score := matcher.ratio() + bonus) > floor:
            best = sorted([*best, (score, candidate)], key=lambda pair: -pair[0])[:count]
    return [candidate for _, candidate in best]


def _shape_bonus(wanted: tuple[int, ...], given: tuple[int, ...]) -> float:
    if wanted == given:
        return 0.3
    return 0.15 if sorted(wanted) == sorted(given) else 0.0


def _missing_problem(
    file: WeightFile, wanted: Mapping[str, ArrayInfo], missing: Sequence[str], unexpected: Sequence[str]
) -> list[Diagnostic]:
    pool = {name: file.describe(name) for name in unexpected}

    def line(name: str) -> str:
        near = [f"{shown(n)} {pool[n]}" for n in nearest_names(name, wanted[name], pool)]
        return f"{shown(name)} {wanted[name]}" + (f"; closest: {', '.join(near)}" if near else "")

    message = f"{_count(missing, 'weight is', 'weights are')} missing from {shown(file.source)}"
    help = _prefix_help(missing, unexpected)
    return _problem("E0721", message, missing, line, help)


def _unexpected_problem(
    file: WeightFile, unexpected: Sequence[str], missing: Sequence[str]
) -> list[Diagnostic]:
    def line(name: str) -> str:
        note = file.note(name)
        return f"{shown(name)} {file.describe(name)}" + (f" ({note})" if note else "")

    message = f"the model has no place for {_count(unexpected, 'weight', 'weights')} of {shown(file.source)}"
    help = 'leave them out with a rule `"name" => none` in a `weights` map of the .net file'
    if missing:
        help = 'name them with rules `"theirs" => "ours"` in a `weights` map of the .net file'
    rules = _matching_rules(file, unexpected, missing)
    if rules:
        help = " and ".join(f"write `{text}`" for text in rules)
    nearest = dict.fromkeys(rule for rule in map(file.nearest_rule, unexpected) if rule is not None)
    labels = tuple(
        Label(rule.span, "this rule reads none of them") for rule in nearest if rule.span is not None
    )
    return [replace(one, labels=labels) for one in _problem("E0722", message, unexpected, line, help)]


def _matching_rules(file: WeightFile, names: Sequence[str], missing: Sequence[str]) -> list[str]:
    """The nearest rules of names that none matches, with these names; none if one would not read them all."""
    rules = []
    for name in names:
        nearest = file.nearest_rule(name)
        stem, _, leaf = name.rpartition(".")
        if nearest is not None and nearest.is_turned_round(name):
            rules.append(nearest.turned_round())
            continue
        if nearest is None or len(nearest.ours) != 1 or len(nearest.theirs) != 1 or not stem:
            return []
        if not nearest.theirs[0].stars or nearest.ours[0].text.replace("*", leaf) not in missing:
            return []
        rules.append(f'"{stem}.*" => {str(nearest).partition(" => ")[2]}')
    return list(dict.fromkeys(rules))


def _shape_problem(
    file: WeightFile, wanted: Mapping[str, ArrayInfo], present: Iterable[str], kinds: Kinds
) -> list[Diagnostic]:
    wrong = [name for name in present if file.describe(name).shape != wanted[name].shape]

    def line(name: str) -> str:
        note = file.note(name)
        text = f"{shown(name)} is {wanted[name]} in the model and {file.describe(name)} as given"
        return text + (f" ({note})" if note else "")

    turned = [n for n in wrong if _is_turned(wanted[n].shape, file.describe(n).shape)]
    alike = squares_like(file, turned, kinds)
    rules = dict.fromkeys(rule for rule in map(file.rule, [*turned, *alike]) if rule is not None)
    shown_rules = " and ".join(f"`{rule} transpose`" for rule in rules)
    what = f"write {shown_rules}" if rules else "add `transpose` to the rule"
    help = f"{_count(turned, 'fits', 'fit')} when transposed: {what}" if turned else None
    exchanged = {} if turned else _exchanged(file, wanted, wrong)
    if exchanged:
        texts = [f"`{replace(rule, ours=other.ours)}`" for rule, other in exchanged.items()]
        help = f"they fit with the targets swapped: write {' and '.join(texts)}"
    have = "has" if len(wrong) == 1 else "have"
    count = _count(wrong, "weight", "weights")
    message = f"{count} in {shown(file.source)} {have} a different shape than in the model"
    places = [rule.span for rule in rules if rule.span is not None]
    labels = tuple(Label(place, "this rule does not transpose") for place in places)
    read_by = dict.fromkeys(rule for rule in map(file.rule, wrong) if rule is not None and rule.span)
    labels = labels or tuple(Label(rule.span, "read by this rule") for rule in read_by if rule.span)
    return [replace(one, labels=labels) for one in _problem("E0723", message, wrong, line, help)]


def _exchanged(file: WeightFile, wanted: Mapping[str, ArrayInfo], wrong: Sequence[str]) -> dict[Rule, Rule]:
    """Pairs of rules of which each reads what fits the other; none if that does not explain all."""
    readers: dict[tuple[str, Shape, Shape], list[Rule]] = {}
    for name in wrong:
        rule = file.rule(name)
        if rule is None:
            return {}
        known = readers.setdefault(_fit(name, file.describe(name).shape, wanted[name].shape), [])
        if len(known) < 2 and rule not in known:  # two are enough to find another one
            known.append(rule)
    partners: dict[Rule, Rule] = {}
    for name in wrong:
        rule = file.rule(name)
        others = readers.get(_fit(name, wanted[name].shape, file.describe(name).shape), ())
        partner = next((other for other in others if other != rule), None)
        if rule is None or partner is None:
            return {}
        partners.setdefault(rule, partner)
    return partners if all(partners.get(other) == rule for rule, other in partners.items()) else {}


def _fit(name: str, stored: Shape, wanted: Shape) -> tuple[str, Shape, Shape]:
    """What two weights with swapped targets have in common, with their shapes the other way round."""
    return name.rpartition(".")[2], stored, wanted


def _dtype_problem(
    file: WeightFile, wanted: Mapping[str, ArrayInfo], present: Iterable[str]
) -> list[Diagnostic]:
    wrong = [name for name in present if not _may_convert(file.describe(name).dtype, wanted[name].dtype)]

    def line(name: str) -> str:
        return f"{shown(name)} is {wanted[name].dtype} in the model and {file.describe(name).dtype} as given"

    message = f"{_count(wrong, 'weight', 'weights')} of {shown(file.source)} of another kind than the model's"
    help = "floats convert to floats, integers to wider integers, and neither to the other"
    return _problem("E0724", message, wrong, line, help)


def _problem(
    code: str, message: str, names: Sequence[str], line: Callable[[str], str], help: str | None
) -> list[Diagnostic]:
    if not names:
        return []
    lines = [f"    {line(name)}" for name in names[:MAX_LISTED]]
    more = [f"    and {len(names) - MAX_LISTED} more"] if len(names) > MAX_LISTED else []
    return [Diagnostic(code, "\n".join([message, *lines, *more]), help=help)]


def _count(names: Sequence[str], one: str, several: str) -> str:
    return f"{len(names)} {one if len(names) == 1 else several}"


def _prefix_help(missing: Sequence[str], unexpected: Sequence[str]) -> str | None:
    """The one rule that would do where one side's names all begin with a word the other's lack."""
    theirs, ours = _common_first(unexpected), _common_first(missing)
    if theirs and {name.removeprefix(theirs) for name in unexpected} & set(missing):
        return f'all of them begin with `{theirs}` there: add the rule "{theirs}*" => "*"'
    if ours and {name.removeprefix(ours) for name in missing} & set(unexpected):
        return f'they are there without `{ours}`: add the rule "*" => "{ours}*"'
    return None


def _common_first(names: Sequence[str]) -> str:
    first = {name.partition(".")[0] for name in names if "." in name}
    return f"{first.pop()}." if len(first) == 1 and all("." in name for name in names) else ""


def _is_turned(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    return len(left) > 1 and len(left) == len(right) and left == (*right[:-2], right[-1], right[-2])


def _may_convert(given: str, wanted: str) -> bool:
    if given == wanted or (given in FLOATS and wanted in FLOATS):
        return True
    if given not in _INT_RANGES or wanted not in _INT_RANGES:
        return False
    (sign, bits), (to_sign, to_bits) = _INT_RANGES[given], _INT_RANGES[wanted]
    return to_bits > bits and (sign == to_sign or sign == "u")


def _check_copies(
    file: WeightFile, wanted: Mapping[str, ArrayInfo], converted: Mapping[str, tuple[str, str]]
) -> None:
    """Raise `WeightsError` E0727 if the converted copies do not fit in memory; the rest is not copied."""
    sizes = {f"{shown(name)} {wanted[name]}": wanted[name].nbytes for name in converted}
    kinds = dict.fromkeys(f"{old} to {new}" for old, new in converted.values())
    what = f"converting weights of {shown(file.source)} from {' and '.join(kinds)} needs"
    check_room(what, sizes, help=_STORED)


_STORED = "declare the weights in the element type of the file, which is read without a copy"


def _convert(file: WeightFile, name: str, wanted: str) -> Array:
    array = file[name]
    if file.describe(name).dtype == wanted and wanted != "bf16":
        return array
    try:
        return cast_float(array, wanted) if wanted in FLOATS else cast_int(array, wanted)
    except CastError as lost:
        message = f"weight {shown(name)} of {shown(file.source)} {lost}"
        raise WeightsError.make("E0725", message, help="use a wider element type in the model") from lost
