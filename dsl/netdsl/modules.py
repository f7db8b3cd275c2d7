"""Files as modules: what each one defines, what it imports, and the standard blocks.

Imports stay inside the folder tree of the model's own file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache, cached_property, lru_cache
from pathlib import Path, PurePath, PurePosixPath

from netdsl.diagnostics import Diagnostic, Label, NetError, error
from netdsl.edits import replacement
from netdsl.folders import MAX_LISTED, Folder, LinkError, NotAFileError, open_folder, refuse_endless
from netdsl.parsing.blocks import BlocksOf
from netdsl.parsing.layout import MAX_SOURCE_BYTES
from netdsl.parsing.parser import read
from netdsl.source import Source, Span
from netdsl.syntax import Block, BrokenItem, Config, ConfigEntry, File, Import
from netdsl.work import MAX_STEPS, TooMuchWork, limited, unlimited

MAX_IMPORTS = 50
"""How deep imports may nest."""
MAX_FOLDERS = 100
"""In how many folders a missing import is looked for, to say where it is."""
MAX_NEAR_DEPTH = 3
"""How deep below the file those folders are."""


@dataclass(eq=False)
class Module:
    """One file: its tree, its blocks by name, its configuration, and the modules it imports."""

    source: Source
    file: File
    blocks: Mapping[str, Block] = field(default_factory=dict)
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

    @cached_property
    def config(self) -> list[ConfigEntry]:
        """The entries of its `config`."""
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
            module = _load(source, root)
        except TooMuchWork:
            raise too_much_work(source.span(0, 1)) from None
        module.steps = budget.spent
        return module


def _load(source: Source, root: Path | None) -> Module:
    if root is None:
        return _Loader(None).load(source, PurePosixPath())
    try:
        with open_folder(root) as folder:
            return _Loader(folder).load(source, PurePosixPath())
    except OSError as wrong:
        raise error("E0613", f"the folder `{root}` cannot be read: {wrong.strerror or wrong}") from None


def too_much_work(span: Span) -> NetError:
    """E0609: the budget is used up, at a place."""
    message = f"this takes more than {MAX_STEPS:,} steps of work"
    help = "use less text, fewer repetitions, and shorter lists and sizes"
    return error("E0609", message, span, "the last step was here", help=help)


@dataclass
class _Loader:
    root: Folder | None
    modules: dict[PurePosixPath, Module | None] = field(default_factory=dict)
    stack: list[PurePosixPath] = field(default_factory=list)

    def load(self, source: Source, folder: PurePosixPath) -> Module:
        """The module of a source in a folder below the root."""
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

    def _import(self, module: Module, item: Import, folder: PurePosixPath) -> None:
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
                self.modules[path] = self.load(self._read(path, item), path.parent)
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

    def _resolve(self, item: Import, folder: PurePosixPath) -> PurePosixPath:
        """The imported file, below the root. Raises E0610 for any way out of it."""
        written = item.path.value
        if self.root is None:
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
        return folder / written

    def _read(self, path: PurePosixPath, item: Import) -> Source:
        """The text of an imported file. Raises E0610, E0611 or E0613."""
        written, at = item.path.value, item.path.span
        assert self.root is not None
        if path.suffix not in (".net", ""):
            help = "only `.net` files are imported; write the blocks that you need as `block Name(x) { ... }`"
            raise error("E0611", f"`{written}` is not a .net file", at, help=help)
        try:
            data = self.root.read(path.parts or (".",), MAX_SOURCE_BYTES + 1)
        except LinkError:
            message = f"the import `{written}` is a link, and links could lead out of the model's folder"
            raise error("E0610", message, at, help="put a copy of what it leads to in its place") from None
        except NotAFileError as wrong:
            raise error("E0611", f"`{written}` is {wrong.strerror}, not a file", at) from None
        except PermissionError as wrong:
            raise error("E0613", f"`{path}` cannot be read: {wrong.strerror}", at) from None
        except (OSError, ValueError):
            message = f"there is no file `{written}` beside this one"
            near = self._near(path, item)
            edits = (replacement(at, f'"{near}"', is_certain=False),) if near else ()
            help = f"did you mean `{near}`?" if near else "write the path from the folder of this file"
            raise error("E0611", message, at, help=help, fixes=edits) from None
        if path.suffix != ".net":
            help = "only `.net` files are imported"
            raise error("E0611", f"`{written}` is not a .net file", at, help=help)
        return decoded(str(path), data, at)

    def _near(self, path: PurePosixPath, item: Import) -> PurePosixPath | None:
        """The file of the same folder that a misspelt import may mean, or one of that name in another."""
        assert self.root is not None
        here = PurePosixPath(item.span.source.name).name
        names = [name for name in self.root.names(path.parent.parts) if name != here]
        stems = sorted(name.removesuffix(".net") for name in names if name.endswith(".net"))
        near = get_close_matches(path.stem[:MAX_LISTED], stems, n=1)
        beside = PurePosixPath(item.path.value).with_name(f"{near[0]}.net") if near else None
        return beside or self._elsewhere(path, item)

    def _elsewhere(self, path: PurePosixPath, item: Import) -> PurePosixPath | None:
        """The first file with the name of a missing one below the folder of the file that imports it."""
        assert self.root is not None
        name = path.name if path.suffix else f"{path.name}.net"
        above = path.parts[: len(path.parts) - len(PurePosixPath(item.path.value).parts)]
        waiting = [tuple(above)]
        for _ in range(MAX_FOLDERS):
            if not waiting:
                break
            folder = waiting.pop(0)
            if name in self.root.names(folder):
                return PurePosixPath(*folder[len(above) :], name)
            if len(folder) < len(above) + MAX_NEAR_DEPTH:
                waiting += [(*folder, inner) for inner in self.root.folders(folder)]
        return None


def read_source(path: Path, name: str | None = None, span: Span | None = None) -> Source:
    """The text of a file. Raises `NetError` E0613 if it cannot be read as UTF-8, E0601 if it is too long."""
    shown = name or str(path)
    try:
        refuse_endless(path)
        with path.open("rb") as file:
            data = file.read(MAX_SOURCE_BYTES + 1)
    except (OSError, ValueError) as wrong:
        reason = getattr(wrong, "strerror", None) or wrong
        raise error("E0613", f"`{shown}` cannot be read: {reason}", span) from None
    return decoded(shown, data, span)


_DATA = "pass data with an option: `netrun train net.net --data FILE`, `netrun run net.net --input FILE`"
_WEIGHTS = "pass weights with an option: `netrun run net.net --weights FILE`"
_SETTINGS = "settings are written in the .net file itself, in `config { ... }` and `train { ... }`"
_CODE = "write the network in a .net file; `netrun init` creates one to start from"
_OTHER_KINDS = {
    **dict.fromkeys((".csv", ".tsv", ".parquet", ".npz", ".npy", ".png", ".jpg", ".jpeg"), _DATA),
    **dict.fromkeys((".safetensors", ".pt", ".pth", ".ckpt", ".h5", ".keras", ".onnx", ".bin"), _WEIGHTS),
    **dict.fromkeys((".json", ".yaml", ".yml", ".toml", ".ini"), _SETTINGS),
    **dict.fromkeys((".py", ".ipynb"), _CODE),
}
"""What to do with a file of another kind that is named where a .net file belongs."""
_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s|#[^\n]*\n)*net\b")


def decoded(shown: str, data: bytes, span: Span | None = None) -> Source:
    """The source of a file's bytes, of which at most one more than the limit are read.

    Raises:
        NetError: E0613 if they are not UTF-8 text, E0601 if they are too many.
    """
    if len(data) > MAX_SOURCE_BYTES:
        message = f"`{shown}` is longer than the limit of {MAX_SOURCE_BYTES:,} bytes"
        raise error("E0601", message, span, help="split the network into blocks and `import` them")
    other = _OTHER_KINDS.get(PurePath(shown).suffix.lower())
    if other is not None and not _BEGINNING.match(data):
        raise error("E0613", f"`{shown}` is not a .net file", span, help=other)
    try:
        return Source(shown, data.decode("utf-8-sig"))
    except UnicodeDecodeError as wrong:
        line = data[: wrong.start].count(b"\n") + 1
        message = f"`{shown}` is not UTF-8 text: byte {wrong.start} on line {line}"
        raise error("E0613", message, span, help="save it as UTF-8") from None


def _leave_out(module: Module, item: BrokenItem | Import) -> None:
    """Note what an item would define that cannot be read."""
    name = item.name if isinstance(item, BrokenItem) else item.alias
    kind = item.kind if isinstance(item, BrokenItem) else "import"
    if kind == "from" or (kind == "import" and name is None):
        module.lacks_imports = True
    elif kind == "import":
        assert name is not None
        module.aliases[name.text] = None
    else:
        module.unknown |= {name.text} if name else set()


def _define(module: Module) -> Iterator[Diagnostic]:
    blocks: dict[str, Block] = {}
    module.blocks = blocks
    for item in module.file.items:
        if not isinstance(item, Block):
            continue
        name = item.name.text
        if name in blocks:
            labels = (Label(item.name.span), Label(blocks[name].name.span, "the first is here"))
            yield Diagnostic("E0203", f"`{name}` is defined twice", labels, "give one of them another name")
        blocks.setdefault(name, item)


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


_STD = Path(__file__).parent / "std"


@lru_cache(maxsize=1)
def std_index() -> dict[str, str]:
    """Which file of the standard library defines each standard block that is known everywhere."""
    names = sorted(path.name for path in _STD.glob("*.net") if path.name != METRICS_FILE)
    return {block: name for name in names for block in _std_blocks(name).blocks}


@cache
def std_module(file_name: str) -> Module:
    """One file of the standard library, complete."""
    with unlimited():
        module = _Loader(None).load(_std_source(file_name), PurePosixPath())
    module.is_std = True
    return module


def std_block(name: str, file_name: str | None = None) -> tuple[Block, Module] | None:
    """A standard block by name: one that is known everywhere, or one of a file of the standard library."""
    file_name = file_name or std_index().get(name)
    if file_name is None:
        return None
    module = _std_blocks(file_name)
    return module.blocks[name], module


@cache
def _std_source(file_name: str) -> Source:
    return Source(f"std/{file_name}", (_STD / file_name).read_text("utf-8"))


@cache
def _std_blocks(file_name: str) -> Module:
    """One file of the standard library, whose blocks are parsed when they are needed."""
    source = _std_source(file_name)
    file = File(source.span(0, len(source.text)), ())
    return Module(source, file, blocks=BlocksOf(source), is_std=True)
