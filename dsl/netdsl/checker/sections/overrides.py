"""Lines of `train` sections given from outside, as by a command line, in place of those of the file.

A key names a setting, and its value is written as in the file: `optimizer` and `sgd(lr=0.1)`. `optimizer.lr`
sets one argument; `metric.NAME` and `input.NAME` add a line or take the place of one, and so does
`group "head.*"` of the line for just these patterns; before a key may stand the name of a section,
`generator.optimizer.lr`, and without it a key holds for all sections. `none` takes a line away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from netdsl import syntax as s
from netdsl.checker.sections.settings import DEFAULTS, PATTERNS, RECIPES, SETTINGS, SEVERAL
from netdsl.diagnostics import error, suggest
from netdsl.parsing.parser import parse
from netdsl.source import Source, Span

WHERE = "<command line>"
NAMED = ("metric", "input")
NONE = "none"


def override(sections: Sequence[s.Train], given: Mapping[str, str]) -> list[s.Train]:
    """The sections with the given lines; a file without sections gets one where a loss is given.

    Raises:
        NetError: E0219 for a setting that there is not, E0227 for one that cannot be set so, and what the
            parser finds in a value.
    """
    result = list(sections)
    if not result and "loss" in given:
        source = Source(WHERE, "train {}")
        result = [s.Train(source.span(0, len(source.text)), None, ())]
    for key, value in given.items():
        setting = _Given(key, str(value).strip(), {x.name.text for x in result if x.name})
        if not result:
            setting.fail("E0227", "the file has no `train` section", "give it a `loss` too: `loss=mse(..)`")
        for n, section in enumerate(result):
            name = section.name.text if section.name else ""
            if setting.section in (None, name):
                result[n] = replace(section, lines=setting.apply(section.lines))
    return result


@dataclass
class _Given:
    """One key with its value."""

    key: str
    value: str
    sections: set[str]

    def __post_init__(self) -> None:
        name, quote, patterns = self.key.partition('"')
        self.patterns = f"{quote}{patterns}"
        first, _, rest = name.strip().partition(".")
        self.section = first if first in self.sections and rest else None
        word, _, self.part = (rest if self.section is not None else name.strip()).partition(".")
        self.word = word
        known = (*SETTINGS, *PATTERNS, *NAMED)
        if word not in known:
            help = suggest(word, (*known, *self.sections)) or f"there are {', '.join(known)}"
            self.fail("E0219", f"`{word}` is no training setting", help)

    def fail(self, code: str, message: str, help: str) -> NoReturn:
        source = Source(WHERE, f"{self.key} = {self.value}")
        raise error(code, message, Span(source, 0, len(self.key)), help=help)

    def apply(self, lines: tuple[s.TrainLine, ...]) -> tuple[s.TrainLine, ...]:
        """The lines of a section with this one."""
        if self.word in NAMED:
            return self._named(lines)
        if self.patterns:
            return self._for_patterns(lines)
        if self.part:
            return self._argument(lines)
        text = (
            f"{self.word} {_quoted(self.value)}" if self.word in PATTERNS else f"{self.word} = {self.value}"
        )
        kept = [line for line in lines if not _is_setting(line, self.word)]
        return _inserted(kept, lines, None if self.value == NONE else self._line(text))

    def _named(self, lines: tuple[s.TrainLine, ...]) -> tuple[s.TrainLine, ...]:
        kind: type[s.Metric | s.TrainInput] = s.Metric if self.word == "metric" else s.TrainInput
        if not self.part:
            self.fail("E0227", f"a `{self.word}` has a name", f"write `{self.word}.NAME`")
        sign = "=" if kind is s.Metric else ":"
        kept = [line for line in lines if not (isinstance(line, kind) and line.name.text == self.part)]
        line = None if self.value == NONE else self._line(f"{self.word} {self.part} {sign} {self.value}")
        return _inserted(kept, lines, line)

    def _for_patterns(self, lines: tuple[s.TrainLine, ...]) -> tuple[s.TrainLine, ...]:
        """The lines with one that holds for the weights of some patterns."""
        if self.word not in SEVERAL or self.part:
            self.fail("E0227", f"`{self.word}` has no patterns before its value", f"write `{self.word}`")
        value = "0" if self.value == NONE else self.value  # a line that goes needs only its patterns
        line = self._line(f"{self.word} {self.patterns} = {value}")
        assert isinstance(line, s.Patterns)
        kept = [other for other in lines if not _has_same_patterns(other, line)]
        return _inserted(kept, lines, None if self.value == NONE else line)

    def _argument(self, lines: tuple[s.TrainLine, ...]) -> tuple[s.TrainLine, ...]:
        """The lines with one argument of a recipe set."""
        if self.word not in RECIPES:
            self.fail("E0227", f"`{self.word}` has no arguments", f"write `{self.word}`")
        line = self._line(f"{self.word} = of({self.part}={self.value})")
        assert isinstance(line, s.Setting) and isinstance(line.value, s.Call)
        (argument,) = line.value.arguments
        found = [other for other in lines if _is_setting(other, self.word)]
        if not found and self.word in DEFAULTS:
            return (*lines, self._line(f"{self.word} = {DEFAULTS[self.word]}({self.part}={self.value})"))
        if not found:
            help = f"give the whole of it: `{self.word}`"
            self.fail("E0227", f"the section has no `{self.word}` whose `{self.part}` could be set", help)
        return tuple(self._with(other, argument) if other in found else other for other in lines)

    def _with(self, line: s.TrainLine, argument: s.Argument) -> s.TrainLine:
        assert isinstance(line, s.Setting)
        call = line.value if isinstance(line.value, s.Call) else s.Call(line.value.span, line.value, ())
        function = call.function.text if isinstance(call.function, s.Name) else ""
        names = RECIPES[self.word].get(function, ())
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
        self.fail("E0227", f"the value of `{self.key}` is not one value", "give one value, as in the file")


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
