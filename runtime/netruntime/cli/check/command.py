"""`netrun check`: reports every mistake in a file, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.diagnostics import Diagnostic, NetError
from netdsl.diffs import diff_of_texts
from netdsl.edits import Edit
from netdsl.immutable import immutable
from netdsl.source import Source
from netruntime.cli.check.assumptions import Assumed, assumptions_of, lines_about
from netruntime.cli.check.memory import too_large
from netruntime.cli.common.failures import BAD_FILE, OK, exit_code, usage_error
from netruntime.cli.common.options import files_argument, json_option, set_option
from netruntime.cli.common.output import note, plural, print_diagnostics, print_json, visible
from netruntime.cli.common.sources import STDIN, check_source, open_text, uncollected
from netruntime.cli.common.writing import replace_text

if TYPE_CHECKING:
    from netdsl.model import Body, Checked, Model


@click.command()
@files_argument
@set_option
@click.option("--strict", is_flag=True, help="Treat hints and assumptions as errors.")
@click.option("--fix", "fixes", is_flag=True, help="Apply the corrections that are certain.")
@click.option("--diff", "shows_diff", is_flag=True, help="Write nothing; print what --fix would change.")
@json_option
def check(
    files: tuple[Path, ...],
    settings: dict[str, str],
    *,
    strict: bool,
    fixes: bool,
    shows_diff: bool,
    as_json: bool,
) -> int:
    """Check .net files: names, shapes, element types, and tests of types.

    Nothing is allocated or run. On success, one line describes each model. `-` reads standard input, and
    finds its imports in the current folder; with --fix the corrected text goes to standard output.

    \b
    Examples:
      netrun check lenet5.net
      netrun check resnet.net --set classes=10
      netrun check examples/*.net --strict
      netrun check lenet5.net --fix
      netrun check lenet5.net --json
      netrun check - < draft.net
    """
    if STDIN in files and fixes and as_json and not shows_diff:
        raise usage_error("E0920", "`- --fix` prints the corrected text, so it cannot also print JSON")
    request = _Request(settings, strict, fixes, shows_diff)
    results = [_check_file(path, request) for path in dict.fromkeys(files)]
    if as_json:
        print_json(_document(results))
    else:
        for result in results:
            _print(result, name_files=len(files) > 1)
    return max(result.code for result in results)


@immutable
class _Request:
    """The options of one call of the command."""

    settings: Mapping[str, str]
    strict: bool
    fixes: bool
    shows_diff: bool


@immutable
class FileResult:
    """The result of checking one file: `diff` and `edits` are those of `--diff` and `--fix`."""

    file: str
    code: int
    diagnostics: tuple[Diagnostic, ...]
    models: tuple[Model, ...] = ()
    assumptions: tuple[Assumed, ...] = ()
    edits: tuple[Edit, ...] = ()
    output: str | None = None
    """What takes the place of the models on standard output: a diff, or a corrected text."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "ok": self.code == OK,
            "models": [_model_dict(model) for model in self.models],
            "assumptions": [one.as_dict() for one in self.assumptions],
            "applied": [edit.as_dict() for edit in self.edits],
        }


def _document(results: Sequence[FileResult]) -> dict[str, Any]:
    return {
        "ok": all(result.code == OK for result in results),
        "diagnostics": [
            {"checked": result.file, **d.as_dict()} for result in results for d in result.diagnostics
        ],
        "files": [result.as_dict() for result in results],
    }


def _check_file(path: Path, request: _Request) -> FileResult:
    try:
        with uncollected():
            source = open_text(path)
            if request.fixes or request.shows_diff:
                return _fix_file(path, source, request)
            return _check_text(path, source, request)
    except NetError as failed:
        return FileResult(str(path), exit_code(failed), failed.diagnostics)


def _check_text(path: Path, source: Source, request: _Request) -> FileResult:
    try:
        checked = check_source(source, path, request.settings)
    except NetError as failed:
        return FileResult(str(path), exit_code(failed), failed.diagnostics)
    rules = _wrong_rules(checked)
    if any(one.severity == "error" for one in rules):
        return FileResult(str(path), BAD_FILE, rules)
    assumed = tuple(assumptions_of(checked))
    unstated = (one.as_error() for one in assumed if request.strict and not one.assumption.is_stated)
    found = (*checked.hints, *rules, *unstated)
    code = BAD_FILE if request.strict and found else OK
    models = tuple(checked.models.values())
    return FileResult(str(path), code, (*found, *too_large(models)), models, assumptions=assumed)


def _wrong_rules(checked: Checked) -> tuple[Diagnostic, ...]:
    """What is wrong with the rules of `weights` sections; a hint where loading weights would accept it."""
    if not checked.weights:
        return ()
    from netruntime.weight_files.namemap import rule_errors, unmatched_rules

    names = dict.fromkeys(name for model in checked.models.values() for name in model.body.parameters)
    return tuple(
        error
        for section in checked.weights.values()
        for error in rule_errors(section) or unmatched_rules(section, names, checked.config)
    )


def _fix_file(path: Path, source: Source, request: _Request) -> FileResult:
    """Correct a file, or show how: the result is that of the text which the file then has."""
    from netruntime.cli.check.fixing import fix

    fixed = fix(source, lambda text: _check_text(path, text, request).diagnostics)
    if request.shows_diff:
        result = _check_text(path, source, request)
        diff = diff_of_texts(source.text, fixed.source.text, source.name, f"{source.name} (fixed)")
        return replace(result, output=visible(diff))
    if path != STDIN and fixed.edits:
        replace_text(path, fixed.source.text)
    result = replace(_check_text(path, fixed.source, request), edits=fixed.edits)
    return replace(result, output=fixed.source.text) if path == STDIN else result


def _print(result: FileResult, name_files: bool) -> None:
    for edit in result.edits:
        note(f"{edit.span}: {edit.title}", "fixed")
    if result.output is not None:
        click.echo(result.output, nl=False)
    if result.diagnostics:
        print_diagnostics(result.diagnostics)
    errors = sum(d.severity == "error" for d in result.diagnostics)
    if errors:
        if errors > 1:
            click.echo(f"\n{plural(errors, 'error')} in {visible(result.file)}", err=True)
        return
    if result.code == OK:
        for line in lines_about(result.assumptions):
            note(line)
    else:
        click.echo(
            f"\n{plural(len(result.diagnostics), 'hint')} in {visible(result.file)} with --strict",
            err=True,
        )
    if result.output is not None:
        return
    prefix = f"{visible(result.file)}: " if name_files else ""
    for model in result.models:
        click.echo(prefix + model_line(model))
    if not result.models:
        click.echo(f"{prefix}no models, no errors")


def model_line(model: Model) -> str:
    """`LeNet5(image: f32[B, 1, 28, 28]) -> logits: f32[B, 10]   61,706 parameters, 12 operators`."""
    parameters = plural(count_parameters(model.body), "parameter")
    return f"{signature(model)}   {parameters}, {plural(count_operators(model.body), 'operator')}"


def signature(model: Model) -> str:
    """`LeNet5(image: f32[B, 1, 28, 28]) -> logits: f32[B, 10]`."""
    inputs = ", ".join(f"{name}: {type_}" for name, type_ in model.inputs.items())
    outputs = ", ".join(f"{name}: {type_}" for name, type_ in model.outputs.items())
    return f"{model.name}({inputs}) -> {outputs}"


def count_parameters(body: Body) -> int:
    """The number of trainable parameters in a body; shared weights count once."""
    from netdsl.model import Parameter

    trained = (s for s in body.parameters.values() if isinstance(s.op, Parameter) and s.op.role == "param")
    return sum(step.types[0].size.value for step in trained)


def count_operators(body: Body) -> int:
    """The number of operators that one run of a body executes, including those in blocks."""
    return _count_operators(body, {})


def _count_operators(body: Body, known: dict[int, int]) -> int:
    from netdsl.model import CallStep, Parameter

    if id(body) not in known:
        calls = [step.body for step in body.steps if isinstance(step, CallStep)]
        own = [step for step in body.steps if not isinstance(step, CallStep)]
        operators = sum(not isinstance(step.op, Parameter) for step in own)
        known[id(body)] = operators + sum(_count_operators(each, known) for each in calls)
    return known[id(body)]


def _model_dict(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "inputs": {name: str(type_) for name, type_ in model.inputs.items()},
        "outputs": {name: str(type_) for name, type_ in model.outputs.items()},
        "parameters": count_parameters(model.body),
        "operators": count_operators(model.body),
    }
