"""Lines of `train` sections set from outside, such as on a command line, instead of those of the file.

A key names a setting, and its value is written as in the file: `optimizer` and `sgd(lr=0.1)`. `optimizer.lr`
sets one argument; `metric.NAME` and `input.NAME` add a line or take the place of one, and so does
`group "head.*"` of the line for just these patterns; the name of a section may precede a key,
`generator.optimizer.lr`, and without it a key holds for all sections. `none` removes a line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from netdsl import syntax as s
from netdsl.checker.sections.settings import PATTERNS, SETTINGS, SEVERAL
from netdsl.diagnostics import error, suggest
from netdsl.immutable import immutable
from netdsl.parsing.parser import parse
from netdsl.recipes import DEFAULT_OPTIMIZER, RECIPES
from netdsl.source import Source, Span
from netdsl.synonyms import OPTIMIZER_WORDS

WHERE = "<command line>"
NAMED = ("metric", "input")
NONE = "none"


def override(sections: Sequence[s.Train], given: Mapping[str, str]) -> list[s.Train]:
    """The sections with the given lines; a file without sections gets one where a loss is given.

    Raises:
        NetError: E0219 for an unknown setting, E0227 for one that cannot be set so, and what the
            parser finds in a value.
    """
    result = list(sections)
    if not result and "loss" in given:
        source = Source(WHERE, "train {}")
        result = [s.Train(source.span(0, len(source.text)), None, ())]
    names = frozenset(section.name.text for section in result if section.name)
    for text, value in given.items():
        replacement = _Replacement(parse_key(text, names), str(value).strip())
        replacement.check_key(names)
        if not result:
            help = "give it a `loss` too: `loss=mse(..)`"
            replacement.fail("E0227", "the file has no `train` section", help)
        result = [replacement.apply_to(section) for section in result]
    return result


@immutable
class OverrideKey:
    """What an override is for: `judge.group "head.*"` or `optimizer.lr`, taken apart.

    Args:
        text: The key as it was written.
        section: The name of the section, or None for all sections.
        setting: The first word of the line: `group`, `optimizer`, `metric`.
        part: The argument of a recipe, or the name of a metric or an input; else empty.
        patterns: The patterns with their quotes; else empty.
    """

    text: str
    section: str | None
    setting: str
    part: str
    patterns: str


def parse_key(text: str, sections: Collection[str]) -> OverrideKey:
    """Take a key apart; a first word that is the name of a section says which one is meant."""
    words, quote, patterns = text.partition('"')
    first, _, rest = words.strip().partition(".")
    section = first if first in sections and rest else None
    setting, _, part = (words.strip() if section is None else rest).partition(".")
    return OverrideKey(text, section, setting, part, f"{quote}{patterns}")


@immutable
class _Replacement:
    """One key with the value that takes the place of the file's."""

    key: OverrideKey
    value: str

    @property
    def setting(self) -> str:
        return self.key.setting

    @property
    def part(self) -> str:
        return self.key.part

    def check_key(self, sections: Iterable[str]) -> None:
        """Raise E0219 for an unknown setting."""
        known = (*SETTINGS, *PATTERNS, *NAMED)
        word = self.setting
        if word not in known:
            help = _argument_of(word, self.value) or suggest(word, (*known, *sections))
            help = help or f"there are {', '.join(known)}"
            self.fail("E0219", f"`{word}` is not a training setting", help)

    def fail(self, code: str, message: str, help: str) -> NoReturn:
        source = Source(WHERE, f"{self.key.text} = {self.value}")
        raise error(code, message, Span(source, 0, len(self.key.text)), help=help)

    def apply_to(self, section: s.Train) -> s.Train:
        """The section with this line, where the key is for it."""
        name = section.name.text if section.name else ""
        if self.key.section not in (None, name):
            return section
        return replace(section, lines=self._applied(section.lines))

    def _applied(self, lines: tuple[s.TrainLine, ...]) -> tuple[s.TrainLine, ...]:
        """The lines of a section with this one."""
        if self.setting in NAMED:
            return self._named(lines)
        if self.key.patterns:
            return self._for_patterns(lines)
        if self.part:
            return self._argument(lines)
        text = (
            f"{self.setting} {_quoted(self.value)}"
            if self.setting in PATTERNS
            else f"{self.setting} = {self.value}"
        )
        kept = [line for line in lines if not _is_setting(line, self.setting)]
        return _inserted(kept, lines, None if self.value == NONE else self._line(text))

    def _named(self, lines: tuple[s.TrainLine, ...]) -> tuple[s.TrainLine, ...]:
        kind: type[s.Metric | s.TrainInput] = s.Metric if self.setting == "metric" else s.TrainInput
        if not self.part:
            self.fail("E0227", f"a `{self.setting}` has a name", f"write `{self.setting}.NAME`")
        sign = "=" if kind is s.Metric else ":"
        kept = [line for line in lines if not (isinstance(line, kind) and line.name.text == self.part)]
        line = None if self.value == NONE else self._line(f"{self.setting} {self.part} {sign} {self.value}")
        return _inserted(kept, lines, line)

    def _for_patterns(self, lines: tuple[s.TrainLine, ...]) -> tuple[s.TrainLine, ...]:
        """The lines with one that holds for the weights of some patterns."""
        if self.setting not in SEVERAL or self.part:
            self.fail(
                "E0227",
                f"`{self.setting}` has no patterns before its value",
                f"write `{self.setting}`",
            )
        value = "0" if self.value == NONE else self.value  # a line to remove needs only its patterns
        line = self._line(f"{self.setting} {self.key.patterns} = {value}")
        assert isinstance(line, s.Patterns)
        kept = [other for other in lines if not _has_same_patterns(other, line)]
        return _inserted(kept, lines, None if self.value == NONE else line)

    def _argument(self, lines: tuple[s.TrainLine, ...]) -> tuple[s.TrainLine, ...]:
        """The lines with one argument of a recipe set."""
        if self.setting not in RECIPES:
            self.fail("E0227", f"`{self.setting}` has no arguments", f"write `{self.setting}`")
        line = self._line(f"{self.setting} = of({self.part}={self.value})")
        assert isinstance(line, s.Setting) and isinstance(line.value, s.Call)
        (argument,) = line.value.arguments
        settings = [other for other in lines if _is_setting(other, self.setting)]
        if not settings and self.setting == "optimizer":
            return (*lines, self._line(f"optimizer = {DEFAULT_OPTIMIZER}({self.part}={self.value})"))
        if not settings:
            help = f"give the complete line: `{self.setting}`"
            self.fail("E0227", f"the section has no `{self.setting}` whose `{self.part}` could be set", help)
        return tuple(self._with(other, argument) if other in settings else other for other in lines)

    def _with(self, line: s.TrainLine, argument: s.Argument) -> s.TrainLine:
        assert isinstance(line, s.Setting)
        call = line.value if isinstance(line.value, s.Call) else s.Call(line.value.span, line.value, ())
        function = call.function.text if isinstance(call.function, s.Name) else ""
        names = _positions(self.setting, function)
        arguments = list(call.arguments)
        for n, old in enumerate(arguments):
            if (old.name.text if old.name else names[n] if n < len(names) else "") == self.part:
                arguments[n] = argument
                break
        else:
            arguments.append(argument)
        return replace(line, value=replace(call, arguments=tuple(arguments)))

    def _line(self, text: str) -> s.TrainLine:
        """One line of a section, as it is parsed."""
        items = parse(Source(WHERE, f"train {{ {text} }}"), is_file=False).file.items
        if len(items) == 1 and isinstance(items[0], s.Train) and len(items[0].lines) == 1:
            return items[0].lines[0]
        self.fail(
            "E0227", f"the value of `{self.key.text}` is not one value", "give one value, as in the file"
        )


def _argument_of(word: str, value: str) -> str | None:
    """The key for an argument of a recipe that is given alone, such as `lr`."""
    ours = OPTIMIZER_WORDS.get(word, word)
    for setting in ("optimizer", "schedule"):
        if any(ours in recipe.arguments() for recipe in RECIPES[setting].values()):
            return f"it is an argument of the {setting}: `{setting}.{ours}={value}`"
    return None


def _positions(setting: str, recipe: str) -> tuple[str, ...]:
    """The arguments of a recipe in the order in which they are given without names; none if unknown."""
    known = RECIPES[setting].get(recipe)
    return tuple(known.arguments()) if known else ()


def _is_setting(line: s.TrainLine, word: str) -> bool:
    """Whether a line is that setting, for all weights."""
    if isinstance(line, s.Patterns):
        return line.word.text == word and line.value is None
    return isinstance(line, s.Setting) and line.name.text == word


def _has_same_patterns(line: s.TrainLine, other: s.Patterns) -> bool:
    """Whether a line is the same setting for the weights of the same patterns."""
    return (
        isinstance(line, s.Patterns)
        and line.value is not None
        and line.word.text == other.word.text
        and [text.value for text in line.patterns] == [text.value for text in other.patterns]
    )


def _inserted(
    kept: list[s.TrainLine], lines: tuple[s.TrainLine, ...], new: s.TrainLine | None
) -> tuple[s.TrainLine, ...]:
    """The lines with a new one in the place of the first that it replaces, or as the last."""
    if new is None:
        return tuple(kept)
    place = next((n for n, line in enumerate(lines) if line not in kept), len(kept))
    return (*kept[:place], new, *kept[place:])


def _quoted(value: str) -> str:
    """Patterns with quotes, which a command line need not have."""
    if '"' in value:
        return value
    return ", ".join(f'"{part.strip()}"' for part in value.split(","))
