"""The canonical form: pairs of cases, and what must hold of any program."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from net_programs import ProgramWriter

from netdsl.diagnostics import NetError
from netdsl.formatter import diff_text, format_text, is_canonical
from netdsl.formatter.breaking import MAX_WIDTH
from netdsl.formatter.gaps import read_gap
from netdsl.parsing.parser import Syntax, parse
from netdsl.source import Source

CASES = sorted((Path(__file__).parents[1] / "cases" / "format").glob("*.net"))
OUTPUT = "# output\n"


def source(text: str, name: str = "model.net") -> Source:
    return Source(name, text)


def formatted(text: str) -> str:
    return format_text(source(text))


def words(syntax: Syntax) -> list[str]:
    return [str(token) for token in syntax.tokens if token.type != "NEWLINE"]


def comments(syntax: Syntax) -> list[str]:
    """All comments in their order, found between the tokens."""
    found: list[str] = []
    end = 0
    for token in (*syntax.tokens, None):
        start = len(syntax.source.text) if token is None else token.start_pos
        found += [comment.text for comment in read_gap(syntax.source.text[end:start]).comments]
        end = end if token is None else token.end_pos
    return found


def check_kept(before: Source, text: str) -> None:
    """The formatted text says the same, has every comment once, and is its own canonical form."""
    old, new = parse(before), parse(source(text))
    assert new.file == old.file
    assert words(new) == words(old)
    assert comments(new) == comments(old)
    assert format_text(new.source) == text


# -- cases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_case(path: Path) -> None:
    before, _, after = path.read_text(encoding="utf-8").partition(OUTPUT)
    text = formatted(before)
    assert text == (after or before)
    check_kept(source(before), text)


def test_there_are_cases() -> None:
    assert len(CASES) >= 20


def test_doc_comments_stay_attached() -> None:
    text = (
        "net 1.0\n## The block.\n##   Two lines.\nblock F(\n ## The width.\n w=1)(x: [B]) {\n"
        "  ## A weight.\n  param p : [B]\n}\nconfig {\n\n ## How many.\n a=1\n}"
    )
    block, config = parse(source(formatted(text))).file.items[1:]
    assert block.doc == "The block.\nTwo lines."
    assert block.statics[0].doc == "The width."
    assert block.body[0].doc == "A weight."
    assert config.entries[0].doc == "How many."


# -- the ends of lines and files -----------------------------------------------------------------


def test_line_ends_become_lf_and_tabs_spaces() -> None:
    text = "net 1.0\r\nconfig {\r\n\ta = 1\t# why \t\r\n\r\n\r\n  b = 2   \r\n}\r\n# end\t \r\n"
    assert formatted(text) == "net 1.0\n\nconfig {\n  a = 1  # why\n\n  b = 2\n}\n# end\n"


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "  ", "\n \t\n"])
def test_the_file_ends_with_one_newline(end: str) -> None:
    assert formatted("net 1.0\nconfig {}" + end) == "net 1.0\n\nconfig {}\n"


def test_a_comment_may_end_the_file_without_a_newline() -> None:
    assert formatted("net 1.0 # one\n# two") == "net 1.0  # one\n# two\n"


def test_the_header_may_follow_comments() -> None:
    assert formatted("\n\n# one\n\n\n# two\nnet 1.0") == "# one\n\n# two\nnet 1.0\n"


# -- long lines ----------------------------------------------------------------------------------


def call_of_width(width: int) -> str:
    start = "net 1.0\n\nlayout"
    line = "  y = f(aaaa, "
    return start.replace("layout", 'test "t" {\n') + line + "b" * (width - len(line) - 1) + ")\n}\n"


def test_a_line_may_be_as_long_as_the_limit() -> None:
    assert is_canonical(source(call_of_width(MAX_WIDTH)))


def test_a_line_one_longer_is_wrapped() -> None:
    text = formatted(call_of_width(MAX_WIDTH + 1))
    assert text.splitlines()[3:6] == ["  y = f(", "    aaaa, " + "b" * 86, "  )"]


def test_an_inside_that_is_too_long_takes_a_line_for_each_element() -> None:
    text = formatted(call_of_width(2 * MAX_WIDTH).replace("bb", "b, ", 1))
    assert [line.strip(" b") for line in text.splitlines()[3:8]] == ["y = f(", "aaaa,", ",", "", ")"]


def test_a_line_without_a_place_to_break_stays() -> None:
    text = f'net 1.0\n\nimport "{"a" * 120}.net"\n'
    assert formatted(text) == text


# -- the other functions -------------------------------------------------------------------------


def test_is_canonical() -> None:
    assert is_canonical(source("net 1.0\n"))
    assert not is_canonical(source("net  1.0\n"))


def test_diff_of_a_canonical_source_is_empty() -> None:
    assert diff_text(source("net 1.0\n")) == ""


def test_diff() -> None:
    assert diff_text(source("net 1.0\n\nconfig {\n  a=1\n}", "a.net")) == (
        "--- a.net\n"
        "+++ a.net (formatted)\n"
        "@@ -1,5 +1,5 @@\n"
        " net 1.0\n"
        " \n"
        " config {\n"
        "-  a=1\n"
        "-}\n"
        "\\ No newline at end of file\n"
        "+  a = 1\n"
        "+}\n"
    )


@pytest.mark.parametrize("function", [format_text, is_canonical, diff_text])
def test_a_source_that_does_not_parse_is_refused(function: object) -> None:
    assert callable(function)
    with pytest.raises(NetError) as caught:
        function(source("net 1.0\nconfig { a = }"))
    assert caught.value.code == "E0107"


# -- any program ---------------------------------------------------------------------------------


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.randoms(use_true_random=False))
def test_any_program(random: Random) -> None:
    before = source(ProgramWriter(random).program())
    text = format_text(before)
    check_kept(before, text)
    assert "\r" not in text
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert not any(line.endswith(" ") for line in text.split("\n"))
    assert "\n\n\n" not in text
    assert "{\n\n" not in text
