"""Builds the C library: by this machine's compiler, or by ziglang's, which also builds for other platforms.

    python runtime/netruntime/native/build.py [--target TARGET] [--out FILE]

It imports nothing of the package, so that a package build can run it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "csrc"
COMMON = ("executor.c", "isa.c", "loop.c", "threads.c")
"""Compiled once; all others once for each instruction set."""
SLOW = ("tile.c", "winograd.c", "recurrent.c")
"""Compiled first, so that no compiler is left alone with one of them at the end."""
FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
EXACT = ("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
"""Products and sums are fused only where the source says so: the compiler does not change results."""
SANITIZED = ("-g", "-O1", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all")
AVX2 = ("-mavx2", "-mfma", "-mbmi2")
X86_SETS = {
    "avx512": (
        *AVX2,
        *(f"-mavx512{part}" for part in ("f", "bw", "cd", "dq", "vl")),
        "-mprefer-vector-width=512",
    ),
    "avx2": AVX2,
    "baseline": (),
}
ARM_SETS: dict[str, tuple[str, ...]] = {"neon": ()}


class BuildError(Exception):
    """There is no compiler, or it failed."""


@dataclass(frozen=True)
class Target:
    """What a library is built for: a platform by ziglang's name of it, or None for this machine."""

    triple: str | None = None

    @property
    def is_arm(self) -> bool:
        return (self.triple or platform.machine()).startswith(("aarch64", "arm64"))

    @property
    def system(self) -> str:
        names = {"Windows": "windows", "Darwin": "macos"}
        here = names.get(platform.system(), "linux")
        return here if self.triple is None else self.triple.split("-")[1]

    @property
    def suffix(self) -> str:
        return {"windows": ".dll", "macos": ".dylib"}.get(self.system, ".so")

    @property
    def sets(self) -> dict[str, tuple[str, ...]]:
        return ARM_SETS if self.is_arm else X86_SETS

    @property
    def libraries(self) -> tuple[str, ...]:
        return () if self.system == "windows" else ("-lpthread", "-lm")


def compiler(target: Target) -> list[str]:
    """The command of the compiler. Raises `BuildError` if there is none."""
    if target.triple is None:
        named = os.environ.get("CC")
        if named:
            return shlex.split(named)
        for name in ("gcc", "clang", "cc"):
            if shutil.which(name):
                return [name]
    if find_spec("ziglang") is None:
        raise BuildError("there is no C compiler: install gcc, clang or the package ziglang")
    command = [sys.executable, "-m", "ziglang", "cc"]
    return command if target.triple is None else [*command, "-target", target.triple]


def commands(target: Target, folder: Path, extra: Sequence[str] = ()) -> Iterator[tuple[list[str], Path]]:
    """The command for each object file, and the file."""
    compile_ = [*compiler(target), *FLAGS, *EXACT, *extra]
    for source in sorted(SOURCES.glob("*.c"), key=lambda source: (source.name not in SLOW, source.name)):
        if source.name in COMMON:
            file = folder / f"{source.stem}.o"
            yield [*compile_, "-c", str(source), "-o", str(file)], file
            continue
        for isa, flags in target.sets.items():
            file = folder / f"{source.stem}.{isa}.o"
            yield [*compile_, *flags, f"-DISA={isa}", "-c", str(source), "-o", str(file)], file


def build(out: Path | None = None, target: Target | None = None, extra: Sequence[str] = ()) -> Path:
    """Compile and link the library, in the folder `lib` by default, which is not a package.

    Args:
        extra: Further options of the compiler and the linker.

    Raises:
        BuildError: there is no compiler, or it failed; the message has what it said.
    """
    target = target or Target()
    out = out or HERE / "lib" / f"native{target.suffix}"
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        jobs = list(commands(target, Path(folder), extra))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, (command for command, _ in jobs)))
        objects = [str(file) for _, file in jobs]
        linked = out.with_name(f"{out.name}.{os.getpid()}.new")
        link = [*compiler(target), "-shared", "-o", str(linked), *objects, *extra, *target.libraries]
        _run(link)
        linked.replace(out)  # another process may have the old one open
    return out


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as failed:
        raise BuildError(f"{command[0]} cannot run: {failed}") from None
    if done.returncode:
        raise BuildError(f"{shlex.join(command)}\n{done.stderr.strip()}")
    if done.stderr:
        sys.stderr.write(done.stderr)


def is_current(library: Path) -> bool:
    """Whether a library was built from these sources."""
    stamp = library.with_suffix(".stamp")
    return library.is_file() and stamp.is_file() and stamp.read_text() == fingerprint()


def fingerprint() -> str:
    """A hash of the sources and of this file."""
    digest = hashlib.sha256()
    for file in sorted([*SOURCES.glob("*.[ch]"), Path(__file__)]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def main() -> int:
    """Build if the sources have changed; 1 if that fails, after a message."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", help="another platform, as ziglang names it: aarch64-linux-gnu.2.17")
    parser.add_argument("--out", type=Path, help="the file to write")
    parser.add_argument("--sanitize", metavar="KINDS", help="such as address,undefined, or thread")
    options = parser.parse_args()
    target = Target(options.target)
    out = options.out or HERE / "lib" / f"native{target.suffix}"
    extra = (f"-fsanitize={options.sanitize}", *SANITIZED) if options.sanitize else ()
    if not extra and is_current(out):
        return 0
    try:
        build(out, target, extra)
    except BuildError as failed:
        print(f"the native engine was not built: {failed}", file=sys.stderr)
        return 1
    out.with_suffix(".stamp").write_text(fingerprint())
    return 0


if __name__ == "__main__":
    sys.exit(main())
