"""Builds the wheels of all platforms on one machine, by ziglang's compiler.

python runtime/build_wheels.py [--out dist] [PLATFORM ...]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

PLATFORMS = {
    "linux-x86_64": ("x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64"),
    "linux-aarch64": ("aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64"),
    "macos-x86_64": ("x86_64-macos.11.0", "macosx_11_0_x86_64"),
    "macos-arm64": ("aarch64-macos.11.0", "macosx_11_0_arm64"),
    "windows-x86_64": ("x86_64-windows-gnu", "win_amd64"),
}
"""The name of each platform for ziglang, and the tag of its wheel."""


def main() -> int:
    """Build one wheel for each platform; 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("platforms", nargs="*", metavar="PLATFORM", help=f"of {', '.join(PLATFORMS)}")
    parser.add_argument("--out", default="dist", help="the folder of the wheels")
    options = parser.parse_args()
    unknown = set(options.platforms) - set(PLATFORMS)
    if unknown:
        parser.error(f"there is no platform {', '.join(unknown)}")
    failed = []
    for name in options.platforms or PLATFORMS:
        target, tag = PLATFORMS[name]
        env = {**os.environ, "NETDSL_TARGET": target, "NETDSL_WHEEL_TAG": tag}
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", options.out]
        if subprocess.run(command, env=env).returncode:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else f"the wheels are in {options.out}/")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
