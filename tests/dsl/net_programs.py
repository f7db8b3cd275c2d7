"""Random valid programs as text: words drawn from the grammar, then spaces, line ends and comments.

A program is first a list of words, in which `NEWLINE` ends a statement or an item; `write` then puts
between two words any trivia that the language allows there.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Words = list[str]
NEWLINE = "\n"

# Names that are words of the language elsewhere stand among plain ones.
NAMES = ["x", "y", "w", "h'", "B", "_", "relu", "Linear", "state", "param", "next", "model", "config"]
NAMES += ["a_name_so_long_that_lines_must_wrap", "another_name_of_more_than_thirty_characters"]
NUMBERS = ["0", "1", "64", "1_000", "1.5", "1e-5", "2.5e3"]
STRINGS = ['""', '"a"', '"layer{s+1}.*"', '"# no  comment"', '"say \\"hi\\""']
BINARY = ["+", "-", "*", "/", "//", "%", "@", "**", "==", "<", "and", "or"]

_EITHER_SIDE = "+ * / // % @ ** == < and or is if else when via , -> | = => ~ ."
_BREAK_AFTER = set(f"{_EITHER_SIDE} - not in .. : {{ ( [".split())
_BREAK_BEFORE = set(f"{_EITHER_SIDE} }} ) ]".split())
_OPENERS = {"(": ")", "[": "]", "{": "}"}


class ProgramWriter:
    """Draws programs; `depth` bounds how far brackets nest."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def program(self) -> str:
        words = ["net", "1.0", NEWLINE]
        for _ in range(self.random.randint(1, 3)):
            words += [*self.item(), NEWLINE]
        text = self.write(words)
        return text.replace("\n", "\r\n") if self.random.random() < 0.1 else text

    # -- pieces ---------------------------------------------------------------------------------

    def name(self) -> str:
        return self.random.choice(NAMES)

    def one(self, *choices: Callable[[], Words]) -> Words:
        return self.random.choice(choices)()

    def maybe(self, words: Callable[[], Words], chance: float = 0.4) -> Words:
        return words() if self.random.random() < chance else []

    def many(self, words: Callable[[], Words], separator: str, least: int = 0, most: int = 3) -> Words:
        found: Words = []
        for number in range(self.random.randint(least, most)):
            found += ([separator] if number else []) + words()
        return found

    def listed(self, opener: str, words: Callable[[], Words], least: int = 0) -> Words:
        """Words between commas in brackets, with or without a comma at the end."""
        inside = self.many(words, ",", least)
        comma = self.maybe(lambda: [","], 0.2) if inside else []
        return [opener, *inside, *comma, _OPENERS[opener]]

    # -- expressions ----------------------------------------------------------------------------

    def expr(self, depth: int = 2) -> Words:
        if depth == 0:
            return self.atom(0)
        return self.one(
            lambda: self.atom(depth),
            lambda: self.operation(depth),
            lambda: ["-", *self.postfix(depth)],
            lambda: ["not", *self.postfix(depth)],
            lambda: [*self.postfix(depth), "if", *self.postfix(depth), "else", *self.expr(depth - 1)],
        )

    def operation(self, depth: int) -> Words:
        """Operands are postfix expressions, so that any operators may follow each other but two `**`
        or two comparisons."""
        words, used = self.postfix(depth), set()
        for _ in range(self.random.randint(1, 3)):
            operator = self.random.choice([b for b in BINARY if b not in used])
            used |= {operator} if operator == "**" else {"==", "<"} if operator in ("==", "<") else set()
            words += [operator, *self.postfix(depth)]
        return words

    def atom(self, depth: int) -> Words:
        plain = [self.name(), self.random.choice(NUMBERS), self.random.choice(STRINGS), "true", "none"]
        if depth == 0 or self.random.random() < 0.6:
            return [self.random.choice(plain)]
        return self.one(
            lambda: self.listed("[", lambda: self.element(depth - 1)),
            lambda: ["(", *self.pipeline(depth - 1), ")"],
        )

    def postfix(self, depth: int) -> Words:
        return self.one(lambda: self.atom(depth), lambda: self.call(depth))

    def call(self, depth: int) -> Words:
        words = [self.name()]
        for _ in range(self.random.randint(0, 2)):
            words += self.one(
                lambda: self.listed("(", lambda: self.argument(max(depth - 1, 0))),
                lambda: self.listed("[", lambda: self.element(max(depth - 1, 0))),
                lambda: [".", self.name()],
            )
        return words

    def argument(self, depth: int) -> Words:
        name, axes = self.maybe(lambda: [self.name(), "="]), self.maybe(lambda: ["=>", *self.sizes()], 0.1)
        return [*name, *self.expr(depth), *axes]

    def element(self, depth: int) -> Words:
        step = self.maybe(lambda: [":", *self.expr(0)], 0.3)
        return self.one(
            lambda: self.expr(depth),
            lambda: ["*", *self.postfix(0)],
            lambda: [*self.maybe(lambda: self.expr(depth)), ":", *self.maybe(lambda: self.expr(0)), *step],
        )

    def sizes(self) -> Words:
        return self.listed("[", lambda: self.one(lambda: [self.name()], lambda: self.operation(0)))

    # -- pipelines ------------------------------------------------------------------------------

    def pipeline(self, depth: int = 2) -> Words:
        return [*self.expr(depth), *self.maybe(lambda: ["->", *self.chain(depth)])]

    def chain(self, depth: int = 2) -> Words:
        return self.many(lambda: self.stage(depth), "->", least=1)

    def stage(self, depth: int) -> Words:
        words = [*self.maybe(lambda: [self.name(), ":"]), *self.core(depth)]
        words += self.maybe(lambda: ["*", *self.postfix(0), *self.maybe(lambda: ["shared"])], 0.2)
        return words + self.maybe(lambda: ["when", *self.expr(0)], 0.2)

    def core(self, depth: int) -> Words:
        if depth == 0 or self.random.random() < 0.3:
            return self.call(depth)
        inner = depth - 1
        return self.one(
            lambda: [*self.call(0), "if", *self.postfix(inner), "else", *self.call(0)],
            lambda: ["residual", *self.group(inner), *self.maybe(lambda: ["via", *self.group(inner)])],
            lambda: ["for", self.name(), "in", *self.expr(0), "..", *self.expr(0), *self.group(inner)],
            lambda: ["scan", *self.call(inner), *self.maybe(lambda: ["reverse"])],
            lambda: ["(", *self.many(lambda: self.chain(inner), "|", least=1), ")"],
            lambda: [*self.sizes(), "=>", *self.sizes()],
            lambda: self.group(inner),
        )

    def group(self, depth: int) -> Words:
        return ["{", *self.chain(depth), "}"]

    # -- statements and items -------------------------------------------------------------------

    def type(self) -> Words:
        return self.one(self.sizes, lambda: ["f32", *self.sizes()])

    def assertion(self) -> Words:
        return ["assert", *self.expr(), *self.maybe(lambda: [",", '"why"'])]

    def statement(self) -> Words:
        tolerance = self.maybe(lambda: ["within", *self.expr(0)])
        kind = self.random.choice(["param", "buffer", "const", "state"])
        return self.one(
            lambda: ["let", self.name(), "=", *self.pipeline()],
            lambda: ["layer", self.name(), "=", *self.expr()],
            lambda: self.declaration(kind),
            lambda: ["next", self.name(), "=", *self.pipeline()],
            lambda: [*self.many(lambda: [self.name()], ",", least=1), "=", *self.pipeline()],
            lambda: ["return", *self.many(self.pipeline, ",", least=1)],
            self.assertion,
            lambda: ["expect", *self.pipeline(), "is", *self.type()],
            lambda: ["expect", *self.pipeline(), "~", *self.expr(1), *tolerance],
        )

    def declaration(self, kind: str) -> Words:
        value, when = (
            self.maybe(lambda: ["=", *self.expr(1)]),
            self.maybe(lambda: ["when", *self.expr(0)], 0.2),
        )
        return [kind, self.name(), ":", *self.type(), *value, *when]

    def lines(self, line: Callable[[], Words]) -> Words:
        return ["{", *self.many(line, NEWLINE), "}"]

    def parameter(self, type_: Callable[[], Words]) -> Words:
        return [
            self.name(),
            *self.maybe(lambda: [":", *type_()]),
            *self.maybe(lambda: ["=", *self.expr(1)]),
        ]

    def inputs(self) -> Words:
        return self.listed("(", lambda: self.parameter(self.type))

    def statics(self) -> Words:
        return self.listed("(", lambda: self.parameter(lambda: ["int"]))

    def outputs(self) -> Words:
        return ["->", *self.one(self.output, lambda: self.listed("(", self.output, least=1))]

    def output(self) -> Words:
        return [*self.maybe(lambda: [self.name(), ":"]), *self.type()]

    def item(self) -> Words:
        return self.one(
            lambda: ["import", '"other.net"', *self.maybe(lambda: ["as", self.name()])],
            lambda: ["config", *self.lines(self.entry)],
            lambda: ["block", self.name(), *self.signature(), *self.lines(self.statement)],
            lambda: [
                "block",
                self.name(),
                *self.maybe(self.statics),
                *self.maybe(self.outputs),
                "=",
                *self.chain(),
            ],
            lambda: ["cell", self.name(), *self.signature(), *self.lines(self.statement)],
            lambda: ["model", self.name(), *self.inputs(), *self.lines(self.statement)],
            lambda: ["weights", self.name(), *self.lines(self.rule)],
            lambda: ["train", *self.maybe(lambda: [self.name()]), *self.lines(self.train_line)],
            lambda: ["test", '"a test"', *self.lines(self.statement)],
        )

    def signature(self) -> Words:
        lists = self.one(list, self.statics, lambda: [*self.statics(), *self.inputs()])
        return [*lists, *self.maybe(self.outputs)]

    def entry(self) -> Words:
        typed = self.maybe(lambda: [":", "int"])
        return self.one(lambda: [self.name(), *typed, "=", *self.expr()], self.assertion)

    def rule(self) -> Words:
        ours = self.one(lambda: ['"ours.*"'], lambda: ["none"])
        theirs = ['"theirs.*"', *self.maybe(lambda: ["+", '"others.*"'])]
        return [*theirs, "=>", *ours, *self.maybe(lambda: ["transpose"])]

    def train_line(self) -> Words:
        return self.one(
            lambda: ["input", self.name(), ":", *self.type()],
            lambda: ["metric", self.name(), "=", *self.pipeline()],
            lambda: [*self.many(lambda: [self.name()], ",", least=1), "=", *self.pipeline()],
            lambda: [
                "clip",
                *self.many(lambda: ['"a.*"'], ",", least=1),
                *self.maybe(lambda: ["=", *self.pipeline()]),
            ],
            lambda: ["let", self.name(), "=", *self.expr()],
            self.assertion,
        )

    # -- trivia ---------------------------------------------------------------------------------

    def write(self, words: Words) -> str:
        text, open_, before = self.line_ends() if self.random.random() < 0.3 else "", [""], NEWLINE
        for word in words:
            if word == NEWLINE:
                text += self.comment_or_none() + "\n" + self.line_ends()
            elif before != NEWLINE:
                text += self.between(before, word, soft=open_[-1] in ("(", "["))
            text += "" if word == NEWLINE else word
            if word in _OPENERS:
                open_.append(word)
            elif word in _OPENERS.values():
                open_.pop()
            before = word
        return text if self.random.random() < 0.8 else text.rstrip()

    def between(self, before: str, after: str, soft: bool) -> str:
        """The trivia between two words of a statement; `soft` where any line end is allowed."""
        if (soft or before in _BREAK_AFTER or after in _BREAK_BEFORE) and self.random.random() < 0.2:
            # A word in the first column could be taken for the start of an item.
            return self.comment_or_none() + "\n" + self.line_ends() + " "
        needed = (before[-1].isalnum() or before[-1] in "_'") and (after[0].isalnum() or after[0] == "_")
        return self.random.choice([" ", "  ", "\t"] if needed else ["", " ", "   "])

    def line_ends(self) -> str:
        """Whole lines without code: blank ones, and comments."""
        lines = [self.random.choice(["", "", "  ", "  # own", "## doc", "#\t odd #"]) for _ in range(4)]
        return "".join(f"{line}\n" for line in lines[: self.random.choice([0, 0, 0, 1, 2, 4])])

    def comment_or_none(self) -> str:
        return self.random.choice(["", "", "", "  # trailing", "# close  ", "##"])
