"""Files as modules: what each one defines, what it imports, and the standard blocks.

Imports stay inside the folder tree of the model's own file.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

from netdsl.diagnostics import Diagnostic, Label, NetError, error
from netdsl.parsing.layout import MAX_SOURCE_BYTES
from netdsl.parsing.parser import read
from netdsl.source import Source, Span
from netdsl.syntax import Block, BrokenItem, Config, ConfigEntry, File, Import
from netdsl.work import MAX_STEPS, TooMuchWork, limited, unlimited

MAX_IMPORTS = 50
"""How deep imports may nest."""


@dataclass(eq=False)
class Module:
    """One file: its tree, its blocks by name, its configuration, and the modules it imports."""

    source: Source
    file: File
    blocks: dict[str, Block] = field(default_factory=dict)
    imported: dict[str, tuple[Block, Module, Span]] = field(default_factory=dict)
    aliases: dict[str, Module | None] = field(default_factory=dict)
    """The imports that have a name; None for one that is unavailable."""
    is_std: bool = False
    findings: list[Diagnostic] = field(default_factory=list)
    """What is wrong with the file itself: its syntax, its names, its imports."""
    unknown: set[str] = field(default_factory=set)
    """The blocks and models that are named in the file and cannot be read."""
    lacks_imports: bool = False
    """Whether blocks of imports without a name are unavailable."""
    imports: list[Module] = field(default_factory=list)
    """The modules that the file imports itself."""
    steps: int = 0
    """The work of reading it and all it imports; checking it goes on from there."""

    @property
    def config(self) -> list[ConfigEntry]:
        lines = [line for item in self.file.items if isinstance(item, Config) for line in item.entries]
        return [line for line in lines if isinstance(line, ConfigEntry)]


def load_module(source: Source, root: Path | None = None) -> Module:
    """The module of a source and all it imports.

    Args:
        source: The model's text.
        root: The folder that imports are read from and may not leave; None for text without a file.

    What is wrong with the file and its imports is in the modules' `findings`, which `check`
    reports with everything else: syntax errors, names defined twice (E0203), unavailable imports (E061x).

    Raises:
        NetError: E0601 for a text that is too long, E0609 for more text than the limit.
    """
    with limited() as budget:
        try:
            module = _Loader(root.resolve() if root else None).load(source, root)
        except TooMuchWork:
            raise too_much_work(source.span(0, 1)) from None
        module.steps = budget.spent
        return module


def too_much_work(span: Span) -> NetError:
    """E0609: the budget is used up, at a place."""
    message = f"this takes more than {MAX_STEPS:,} steps of work"
    help = "use less text, fewer repetitions, and shorter lists and sizes"
    return error("E0609", message, span, "the last step was here", help=help)


@dataclass
class _Loader:
    root: Path | None
    modules: dict[Path, Module | None] = field(default_factory=dict)
    stack: list[Path] = field(default_factory=list)

    def load(self, source: Source, folder: Path | None) -> Module:
        syntax = read(source)
        module = Module(source, syntax.file, findings=list(syntax.findings))
        module.findings += _define(module)
        for item in syntax.file.items:
            if isinstance(item, BrokenItem):
                _leave_out(module, item)
            elif isinstance(item, Import):
                try:
                    self._import(module, item, folder)
                except NetError as failed:
                    module.findings += failed.diagnostics
                    _leave_out(module, item)
        return module

    def _import(self, module: Module, item: Import, folder: Path | None) -> None:
        path = self._resolve(item, folder)
        if len(self.stack) >= MAX_IMPORTS:
            message = f"imports nest more than {MAX_IMPORTS} deep here"
            raise error("E0612", message, item.span, help="put the blocks into fewer files")
        if path in self.stack:
            route = " -> ".join(p.name for p in [*self.stack[self.stack.index(path) :], path])
            raise error(
                "E0612",
                f"circular import: {route}",
                item.span,
                help="move what both need into a third file",
            )
        if path not in self.modules:
            self.modules[path] = None
            self.stack.append(path)
            try:
                self.modules[path] = self.load(_read(path, item, self.root), path.parent)
            finally:
                self.stack.pop()
        target = self.modules[path]
        if target is None:
            _leave_out(module, item)
            return
        module.imports.append(target)
        if item.alias:
            module.aliases[item.alias.text] = target
            return
        module.unknown |= target.unknown
        for name, block in target.blocks.items():
            if name not in module.blocks and name not in module.imported:
                module.imported[name] = (block, target, item.span)
                continue
            other = module.blocks[name].name.span if name in module.blocks else module.imported[name][2]
            message = f"the import brings a second `{name}`"
            labels = (Label(item.span), Label(other, "the first is here"))
            help = f'give the import a name: `import "{item.path.value}" as ...`'
            module.findings.append(Diagnostic("E0203", message, labels, help))

    def _resolve(self, item: Import, folder: Path | None) -> Path:
        """The imported file, inside the root. Raises E0610 for any way out of it."""
        written = item.path.value
        if folder is None or self.root is None:
            raise error(
                "E0610", "text that is not in a file cannot import", item.span, help="save it as a .net file"
            )
        if "\\" in written:
            help = f'write `import "{written.replace(chr(92), "/")}"`'
            raise error("E0610", "folders in an import are separated by `/`", item.path.span, help=help)
        bad = written.startswith(("/", "~")) or ":" in written or "\0" in written
        if bad or ".." in written.split("/"):
            help = "import files by their path below the model's own folder"
            raise error(
                "E0610", f"the import `{written}` would leave the model's folder", item.path.span, help=help
            )
        path = folder / written
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            message = f"there is no file `{written}` beside this one"
            raise error("E0611", message, item.path.span, help=_near(path, item)) from None
        if not real.is_relative_to(self.root):
            message = f"the import `{written}` is a link out of the model's folder"
            raise error("E0610", message, item.path.span, help="copy the file into the folder")
        if not stat.S_ISREG(real.stat().st_mode):
            what = "a folder" if real.is_dir() else "a device or a pipe"
            raise error("E0611", f"`{written}` is {what}, not a file", item.path.span)
        if real.suffix != ".net":
            help = "only `.net` files are imported"
            raise error("E0611", f"`{written}` is not a .net file", item.path.span, help=help)
        return real


def _near(path: Path, item: Import) -> str | None:
    """The file of the same folder that a misspelt import may mean."""
    here = Path(item.span.source.name).stem
    others = sorted(p.stem for p in path.parent.glob("*.net") if p.stem != here)
    near = get_close_matches(path.stem, others, n=1)
    return f"did you mean `{Path(item.path.value).with_name(near[0] + '.net')}`?" if near else None


def _read(path: Path, item: Import, root: Path | None) -> Source:
    name = str(path.relative_to(root)) if root else str(path)
    return read_source(path, name, item.path.span)


def read_source(path: Path, name: str | None = None, span: Span | None = None) -> Source:
    """The text of a file. Raises `NetError` E0613 if it cannot be read as UTF-8 text."""
    shown = name or str(path)
    try:
        size = path.stat().st_size
        if size > MAX_SOURCE_BYTES:
            message = f"`{shown}` is {size:,} bytes long, but the limit is {MAX_SOURCE_BYTES:,}"
            raise error("E0601", message, span, help="split the network into blocks and `import` them")
        data = path.read_bytes()
        return Source(shown, data.decode("utf-8-sig"))
    except UnicodeDecodeError as wrong:
        line = data[: wrong.start].count(b"\n") + 1
        message = f"`{shown}` is not UTF-8 text: byte {wrong.start} on line {line}"
        raise error("E0613", message, span, help="save it as UTF-8") from None
    except OSError as wrong:
        raise error("E0613", f"`{shown}` cannot be read: {wrong.strerror or wrong}", span) from None


def _leave_out(module: Module, item: BrokenItem | Import) -> None:
    """Note what an item would define that cannot be read."""
    name = item.name if isinstance(item, BrokenItem) else item.alias
    if isinstance(item, BrokenItem) and item.kind != "import":
        module.unknown |= {name.text} if name else set()
    elif name is not None:
        module.aliases[name.text] = None
    else:
        module.lacks_imports = True


def _define(module: Module) -> Iterator[Diagnostic]:
    for item in module.file.items:
        if not isinstance(item, Block):
            continue
        name = item.name.text
        if name in module.blocks:
            labels = (Label(item.name.span), Label(module.blocks[name].name.span, "the first is here"))
            yield Diagnostic("E0203", f"`{name}` is defined twice", labels, "give one of them another name")
        module.blocks.setdefault(name, item)


def with_text(module: Module, source: Source) -> Module:
    """The module with another text and the same imports."""
    syntax = read(source)
    changed = replace(
        module, source=source, file=syntax.file, blocks={}, unknown=set(), findings=list(syntax.findings)
    )
    changed.findings += _define(changed)
    for item in syntax.file.items:
        if isinstance(item, BrokenItem):
            _leave_out(changed, item)
    for each in module.imports:
        changed.unknown |= each.unknown
    codes = ("E061", "E0203")
    changed.findings += [d for d in module.findings if d.code.startswith(codes) and _is_of_import(module, d)]
    return changed


def _is_of_import(module: Module, finding: Diagnostic) -> bool:
    imports = [item.span for item in module.file.items if isinstance(item, Import)]
    at = finding.span
    return at is not None and any(span.start <= at.start < span.end for span in imports)


def with_imports(module: Module) -> list[Module]:
    """A module and all that it imports, directly or through others, each once."""
    modules = [module]
    for each in modules:
        modules += [m for m in each.imports if not any(m is known for known in modules)]
    return modules


LOSSES_FILE = "losses.net"
"""The losses and their parts."""
METRICS_FILE = "metrics.net"
"""The blocks of the standard library that only a `metric` line of a `train` section knows."""


@lru_cache(maxsize=1)
def std_index() -> dict[str, str]:
    """Which file of the standard library defines each standard block that is known everywhere."""
    index = {}
    for entry in files("netdsl.std").iterdir():
        if entry.name.endswith(".net") and entry.name != METRICS_FILE:
            for name in re.findall(r"^(?:block|cell) (\w+)", entry.read_text("utf-8"), re.MULTILINE):
                index[name] = entry.name
    return index


@cache
def std_module(file_name: str) -> Module:
    """One file of the standard library, parsed when first needed."""
    text = (files("netdsl.std") / file_name).read_text("utf-8")
    with unlimited():
        module = _Loader(None).load(Source(f"std/{file_name}", text), None)
    module.is_std = True
    return module


def std_block(name: str) -> tuple[Block, Module] | None:
    """A standard block by name."""
    if name not in std_index():
        return None
    module = std_module(std_index()[name])
    return module.blocks[name], module
