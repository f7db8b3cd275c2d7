"""Runs the kernels for NEON on another machine's Python, emulated: `make neon`.

The library is compiled by ziglang. qemu-user runs a Python of Debian's arm64 packages, into which pip puts
wheels for aarch64. The tests of the kernels run there, and small networks, whose bits must be the same.

On Debian, first: dpkg --add-architecture arm64 && apt-get update && apt-get install qemu-user
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = """libc6 libgcc-s1 libstdc++6 {python}-minimal lib{python}-minimal lib{python}-stdlib libexpat1
    zlib1g libssl3 libffi8 libbz2-1.0 liblzma5 libsqlite3-0 libuuid1"""
WHEELS = """numpy lark networkx filelock click rich markdown-it-py mdurl pygments ml-dtypes pytest iniconfig
    packaging pluggy"""
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")


class Machine:
    """An emulated machine in a folder: packages, wheels, and the library of this tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root, self.site, self.library = folder / "root", folder / "site", folder / "native.so"

    @cached_property
    def python(self) -> str:
        """The name of the system's Python, such as `python3.11`."""
        return Path("/usr/bin/python3").resolve().name

    def install(self) -> None:
        """Download what is missing."""
        if not self.root.exists():
            debs = self.folder / "debs"
            debs.mkdir(parents=True, exist_ok=True)
            names = [f"{name}:arm64" for name in PACKAGES.format(python=self.python).split()]
            run(["apt-get", "download", *names], cwd=debs)
            for deb in sorted(debs.glob("*.deb")):
                run(["dpkg", "-x", str(deb), str(self.root)])
        if not self.site.exists():
            platforms = [option for name in PLATFORMS for option in ("--platform", name)]
            version = ["--python-version", self.python.removeprefix("python"), "--only-binary=:all:"]
            target = ["--no-deps", "--target", str(self.site), *platforms, *version]
            run([sys.executable, "-m", "pip", "install", "--quiet", *target, *WHEELS.split()])

    def build(self) -> None:
        """Compile the kernels for it."""
        script = ROOT / "runtime/netruntime/native/build.py"
        target = ["--target", "aarch64-linux-gnu.2.17", "--out", str(self.library)]
        run([sys.executable, str(script), *target])

    def run(self, *arguments: str) -> str:
        """What its Python prints."""
        paths = [self.site, *(ROOT / name for name in ("dsl", "runtime", "grammars", "tests"))]
        path = os.pathsep.join(map(str, paths))
        env = {**os.environ, "NETDSL_LIBRARY": str(self.library), "PYTHONPATH": path}
        command = ["qemu-aarch64", "-L", str(self.root), str(self.root / "usr/bin" / self.python), *arguments]
        return run(command, env=env)


def run(command: Sequence[str], cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """The output of a command; it ends this script if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    """Test the kernels and compare the bits of the networks; 1 if one differs."""
    if shutil.which("qemu-aarch64") is None or shutil.which("apt-get") is None:
        print(f"NEON was not tested: it needs Debian and qemu-user\n\n{__doc__}")
        return 1
    machine = Machine(Path(sys.argv[1]).resolve())
    machine.install()
    machine.build()
    print(machine.run("-c", "from netruntime.cli import main; import sys; sys.argv[1:] = ['info']; main()"))
    print(machine.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/native/test_kernels.py"))
    here = json.loads(run([sys.executable, "tests/native/networks.py", "2"]))
    there = json.loads(machine.run("tests/native/networks.py", "1"))
    differing = [name for name in here if here[name] != there[name]]
    print(f"{len(here)} networks, other bits than on this machine: {', '.join(differing) or 'none'}")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
