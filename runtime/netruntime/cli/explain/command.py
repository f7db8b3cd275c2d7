"""`netrun explain`: explains an error code, with an example and its fix, or a name."""

from __future__ import annotations

import re
from importlib.resources import files

import click

from netdsl.diagnostics import suggest
from netruntime.cli.common.failures import usage_error
from netruntime.cli.common.options import json_option
from netruntime.cli.common.output import TEXT_WIDTH, note, print_json, print_rich
from netruntime.cli.explain.names import explained, known_names
from netruntime.errors import shown

_NOW = """
E0802 E0803 E0830 E0801 E0804 E0854 E0813 E0805 E0831 E0832 E0806 E0806 E0806 E0808 E0808
E0808 E0817 E0816 E0833 E0834 E0818 E0835 E0836 E0837 E0838 E0840 E0839 E0841 E0842
""".split()
RENUMBERED = {f"E{number}": code for number, code in enumerate(_NOW, start=1000)}
"""The codes E1000 to E1028 of earlier versions, and what they are now."""
_HEADING = re.compile(r"^## (E\d{4}): *(.*)$", re.MULTILINE)


@click.command()
@click.argument("name", required=False)
@json_option
def explain(name: str | None, as_json: bool) -> None:
    """Explain an error code, or the name of an operator, block, loss, optimizer or keyword.

    Without NAME, list all codes.

    \b
    Examples:
      netrun explain E0301
      netrun explain Conv
      netrun explain
    """
    known = explanations(read_texts())
    if name is None:
        _list(known, as_json)
        return
    about_name = explained(name)
    if about_name is not None:
        _print(about_name, {"ok": True, "name": name, "text": about_name}, as_json)
        return
    code = find_code(name, known)
    title, text = known[code]
    document: dict[str, object] = {"ok": True, "code": code, "title": title, "text": text}
    _print(f"## {code}: {title}\n\n{text}", document, as_json)


def _print(text: str, document: dict[str, object], as_json: bool) -> None:
    """Markdown for people, or the document."""
    if as_json:
        print_json(document)
        return
    from rich.markdown import Markdown

    print_rich(Markdown(text), width=TEXT_WIDTH)


def read_texts() -> str:
    """The explanations of the language, as Markdown."""
    return files("netdsl").joinpath("explanations.md").read_text("utf-8")


def explanations(text: str) -> dict[str, tuple[str, str]]:
    """Title and text by code, from Markdown with a section `## E0301: title` for each."""
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return {
        heading[1]: (heading[2].strip(), text[heading.end() : end].strip())
        for heading, end in zip(headings, ends, strict=True)
    }


def find_code(text: str, known: dict[str, tuple[str, str]]) -> str:
    """The code meant by `E0301`, `e301` or `301`. Raises `CommandLineError` E0926."""
    digits = re.fullmatch(r"[eE]?0*([0-9]{1,4})", text.strip())
    code = f"E{int(digits[1]):04}" if digits else ""
    if code in known:
        return code
    if code in RENUMBERED:
        note(f"`{code}` is now `{RENUMBERED[code]}`")
        return RENUMBERED[code]
    near = _nearest(int(digits[1]), known) if digits else None
    same_case = sorted(known_names(), key=lambda name: name[0].isupper() == text[:1].isupper())
    near = near or suggest(text, same_case) or "`netrun explain` lists all codes"
    raise usage_error("E0926", f"{shown(text)} is neither an error code nor a name", near)


def _nearest(number: int, known: dict[str, tuple[str, str]]) -> str | None:
    """The nearest code among those with the same hundreds digit."""
    family = [code for code in known if int(code[1:]) // 100 == number // 100]
    near = min(family, key=lambda code: abs(int(code[1:]) - number), default=None)
    return f"the nearest is `{near}`: {known[near][0]}" if near else None


def _list(known: dict[str, tuple[str, str]], as_json: bool) -> None:
    if as_json:
        print_json({"ok": True, "codes": {code: title for code, (title, _) in sorted(known.items())}})
        return
    for code, (title, _) in sorted(known.items()):
        click.echo(f"{code}  {title}")
