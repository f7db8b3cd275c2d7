"""Checking a complete file: every model, every test, the weight maps and the training section."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netdsl import syntax as s
from netdsl.checker.calls import reading, stages  # noqa: F401  # register the meaning of calls and stages
from netdsl.checker.calls.blocks import declare_model_inputs, finish_body, output_types, root_names
from netdsl.checker.context.checker import Checker, TooManyErrors
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Unfinished
from netdsl.checker.covered import without_covered
from netdsl.checker.definitions import check_definitions
from netdsl.checker.evaluate.statements import run_body
from netdsl.checker.hints import (
    channels_first,
    dropout_at_inference,
    hints,
    pictures,
    repeated_blocks,
    unused_names,
)
from netdsl.checker.sections import overrides, tests, trains
from netdsl.checker.sections.configs import configure
from netdsl.checker.sizes import signatures
from netdsl.diagnostics import Diagnostic, NetError, cap, error, merged
from netdsl.model import Checked, Model, ModelTest, Phase
from netdsl.modules import Module, too_much_work, with_imports, with_text
from netdsl.source import Source
from netdsl.work import TooMuchWork, limited

__all__ = ["check"]


def check(
    module: Module,
    config: Mapping[str, object] | None = None,
    *,
    training: bool = False,
    train: Mapping[str, str] | None = None,
) -> Checked:
    """Check a file and build its models.

    Args:
        module: The file, loaded with its imports.
        config: Values for entries of its `config`.
        training: What the word `training` means in the file: whether dropout drops, and so on.
        train: Lines of the `train` sections given from outside, by setting: `{"optimizer.lr": "0.1"}`; see
            `overrides`.

    Raises:
        NetError: with every error that was found; hints and warnings are in the result.
    """

    def run(each: Module) -> Checked:
        return _check(each, config or {}, training, train or {})

    def recheck(source: Source) -> Sequence[Diagnostic]:
        """The errors in a changed text of the file."""
        try:
            run(with_text(module, source))
        except NetError as failed:
            return failed.diagnostics
        except TooMuchWork:
            return too_much_work(source.span(0, 1)).diagnostics
        return ()

    try:
        with limited(module.steps):
            try:
                return run(module)
            except NetError as failed:
                from netdsl.checker.ways.offer import offer  # most files have no mistakes

                raise NetError(offer(module, failed.diagnostics, recheck)) from None
    except RecursionError:
        help = "give inner parts names with `let`, or put them into blocks of their own"
        raise error("E0602", "the file nests too deep to be checked", module.file.span, help=help) from None


def _check(
    module: Module, settings: Mapping[str, object], training: bool, train: Mapping[str, str]
) -> Checked:
    checker = Checker(module, training=training)
    models: dict[str, Model] = {}
    checks: list[ModelTest] = []
    phases: list[Phase] = []
    is_complete = True
    try:
        for each in with_imports(module):
            checker.report(each.findings)
        configure(checker, module, settings)
        models, unfinished = _check_models(checker, module)
        for item in module.file.items:
            if isinstance(item, s.Test):
                test = tests.check_test(checker, module, item)
                checks += [test] if test is not None else []
        sections = overrides.override([x for x in module.file.items if isinstance(x, s.Train)], train)
        phases = trains.check_sections(checker, module, (models, unfinished), sections)
        signatures.check_signatures(checker, module)
        check_definitions(checker, module)
    except TooManyErrors:
        is_complete = False
    except TooMuchWork:
        is_complete = False
        checker.diagnostics += too_much_work(module.file.span).diagnostics
    errors = [d for d in checker.diagnostics if d.severity == "error"]
    if errors:
        errors = without_covered(errors, with_imports(module))
        raise NetError(cap(merged(in_order(errors, module)), is_complete=is_complete))
    weights = {item.name.text: item for item in module.file.items if isinstance(item, s.Weights)}
    config = dict(checker.config[module])
    return Checked(models, tuple(checks), weights, tuple(phases), config, _advice(checker, models))


def _advice(checker: Checker, models: Mapping[str, Model]) -> tuple[Diagnostic, ...]:
    """The warnings and hints. Raises `NetError` E0609 if there is no work left to look for them."""
    found = [d for d in checker.diagnostics if d.severity != "error"]
    try:
        found += [*hints(models), *pictures(models), *unused_names(checker.module.file)]
        found += [*repeated_blocks(checker.module.file, models), *dropout_at_inference(models)]
        found += channels_first(models)
    except TooMuchWork:
        raise too_much_work(checker.module.file.span) from None
    return tuple(cap(in_order(found, checker.module), "hint"))


def _check_models(checker: Checker, module: Module) -> tuple[dict[str, Model], list[Unfinished]]:
    """The models of the file, and what is known of those with errors."""
    models: dict[str, Model] = {}
    unfinished: list[Unfinished] = []
    for block in module.file.of("model"):
        model = check_model(checker, module, block)
        if isinstance(model, Model):
            models[block.name.text] = model
        else:
            checker.failed.add(id(block))
            unfinished.append(model)
    return models, unfinished


def in_order(found: Iterable[Diagnostic], module: Module) -> list[Diagnostic]:
    """Findings by their place: those without one, those of the file itself, then those of its imports."""

    def place(one: Diagnostic) -> tuple[bool, str, int]:
        if one.span is None:
            return False, "", 0
        imported = one.span.source is not module.source
        return imported, one.span.source.name if imported else "", one.span.start

    return sorted(found, key=place)


def check_model(checker: Checker, module: Module, block: s.Block) -> Model | Unfinished:
    """The typed model of a `model`; or what is known of it if it has errors, which are reported."""
    checker.symbol_origins = {}
    scope = Scope(checker, module, block)
    scope.names.update(root_names(scope))
    before = checker.errors
    slots = declare_model_inputs(scope, block)
    run_body(scope)
    body = finish_body(scope, block.name.text, slots) if checker.errors == before else None
    if body is None:
        types = {slot.name: slot.type for slot in slots}
        inputs = {param.name.text: types.get(param.name.text) for param in block.inputs or ()}
        symbols, at = dict(checker.symbol_origins), block.name.span
        return Unfinished(block.name.text, inputs, output_types(scope, block), symbols, at)
    return Model(block.name.text, body, dict(checker.symbol_origins), block.doc)
