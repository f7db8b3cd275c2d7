"""The hook of the package build: compiles grammar and native engine, and names the platform of the wheel.

Without a compiler the wheel has no native engine, and NumPy runs everything. `NETDSL_TARGET` and
`NETDSL_WHEEL_TAG` build for another platform.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("runtime/netruntime/native")


class NativeHook(BuildHookInterface[Any]):
    """Builds the library into the package folder and adds it to the wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """ziglang, where it is needed: 411 MB."""
        has_compiler = any(shutil.which(name) for name in ("gcc", "clang", "cc")) or "CC" in os.environ
        return [] if has_compiler and "NETDSL_TARGET" not in os.environ else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and declare the tables, the library and the platform of the wheel."""
        build_data["force_include"][str(_grammar_tables(Path(self.root) / "grammars"))] = (
            "netgrammar/tables.json"
        )
        builder = _builder(Path(self.root) / NATIVE / "build.py")
        target = builder.Target(os.environ.get("NETDSL_TARGET"))
        name = f"native{target.suffix}"
        try:
            library = self._built(builder, target, name)
        except builder.BuildError as failed:
            if target.triple is not None:
                raise
            self.app.display_warning(f"the native engine was not built, NumPy runs everything: {failed}")
            return
        build_data["force_include"][str(library)] = f"netruntime/native/lib/{name}"
        build_data["pure_python"] = False
        platform = os.environ.get("NETDSL_WHEEL_TAG") or sysconfig.get_platform()
        build_data["tag"] = f"py3-none-{platform.replace('-', '_').replace('.', '_')}"

    def _built(self, builder: ModuleType, target: Any, name: str) -> Path:
        """The library: of this machine in the source folder, where an editable install finds it."""
        if target.triple is not None:
            folder = Path(self.directory) / target.triple
            folder.mkdir(parents=True, exist_ok=True)
            return Path(builder.build(folder / name, target))
        library = Path(self.root) / NATIVE / "lib" / name
        if not builder.is_current(library):
            builder.build(library, target)
            library.with_suffix(".stamp").write_text(builder.fingerprint())
        return library


def _grammar_tables(folder: Path) -> Path:
    sys.path.insert(0, str(folder))
    try:
        tables = importlib.import_module("netgrammar.tables")
        return Path(tables.store(folder / "netgrammar"))
    finally:
        sys.path.remove(str(folder))


def _builder(path: Path) -> ModuleType:
    """The module `build`, by its path: the package cannot be imported before it is built."""
    spec = importlib.util.spec_from_file_location("netdsl_native_build", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
