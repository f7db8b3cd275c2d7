"""Every command and every output option, onto every kind of file and stream.

What is read stays as it is; a device stays a device, a pipe a pipe, a folder a folder; nothing temporary is
left; and a command that printed nothing because its output is full or closed does not end with 0.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from random import Random

from fuzz.callers.folder import fill
from fuzz.callers.processes import INPUTS, Streams, judge, netrun

SHORT = 50
SECONDS = 5.0
COMMANDS = """
check m.net
check m.net wrong.net --json
check wrong.net
check wrong.net --diff
check -
show m.net
show m.net --json
show m.net --graph svg
run m.net --input random
run m.net --input x=x.npy --json
run m.net --input -
train m.net --data d.npz --no-save
train m.net --data d.npz --out new --json
train m.net --data d.csv --out new
eval m.net --data d.npz
eval m.net --data d.csv --json
generate w.net --prompt-ids 1,2 --max 3
generate w.net -p -
fmt --check m.net
fmt --diff wrong.net
fmt -
explain E0201
explain relu --json
explain
test m.net
test m.net --json
completion bash
--help
train --help
--version
frobnicate
init new --json
predict m.net --data d.csv --out new.csv
""".strip().splitlines()
WRITING = """
show m.net --graph svg -o OUT
show m.net -o OUT.html
show m.net -o OUT.svg
run m.net --input random --save OUT
run m.net --input random --save OUT.npz
run m.net --input random --save OUT.npy
run m.net --input random --save OUT.json
run m.net --input x=x.npy --weights w.safetensors --save OUT.npz
predict m.net --data d.csv --out OUT.csv
predict m.net --data d.npz --out OUT.npz
predict m.net --data d.npz --weights run --out OUT.npy
predict m.net --data d.csv --out OUT.jsonl
train m.net --data d.npz --out OUT
train m.net --data d.npz --weights run --out OUT
init OUT
init OUT --force
init OUT.net --force
fmt OUT
check --fix OUT
""".strip().splitlines()
TARGETS = """new no/such/new run . m.net parts.net d.npz d.csv x.npy w.safetensors run/last.safetensors
/dev/null /dev/full fifo folder link-null link-m link-run loop hard-m locked/new locked empty""".split()
LONG = ("x" * 300, "a/" * 3000, "\udcff", "é" * 100)


def trial(random: Random) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder)
        _odd_files(folder)
        before = _state(folder)
        is_printed = random.random() < 0.4
        outcome = _print(random, folder) if is_printed else _write(random, folder, before)
        for path, kind in before.items():
            assert path.is_symlink() or path.exists(), f"{path.name} has gone"
            assert stat.S_IFMT(path.lstat().st_mode) == kind[0], f"{path.name} is another kind of file"
        assert not [p for p in folder.rglob(".*") if p.name.endswith(".tmp")], "a temporary file is left"
        assert stat.S_ISCHR(Path(os.devnull).stat().st_mode), "the null device has been replaced"
        return outcome


def _odd_files(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "locked").mkdir()
    (folder / "locked").chmod(0o555)
    (folder / "empty").write_text("")
    os.link(folder / "m.net", folder / "hard-m")
    for name, target in {"null": os.devnull, "m": "m.net", "run": "run"}.items():
        (folder / f"link-{name}").symlink_to(target)
    (folder / "loop").symlink_to("loop")


def _state(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Every file with its kind and its content."""
    paths = [path for path in folder.rglob("*") if path.name not in ("stream1", "stream2")]
    return {
        path: (stat.S_IFMT(path.lstat().st_mode), path.read_bytes() if path.is_file() else b"")
        for path in paths
    }


def _print(random: Random, folder: Path) -> str:
    """A command onto an output that takes nothing, compared with the same onto a file."""
    words = random.choice(COMMANDS).split()
    kind = random.choice(("full", "closed", "left", "null"))
    streams = Streams(random.choice(INPUTS), kind, random.choice(("file", "full", "closed", "left")))
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name))
        plain = netrun(random, words, Path(name), Streams(streams.input))
    judge(plain, f"{words} with {Streams(streams.input)}")
    done = netrun(random, words, folder, streams)
    judge(done, f"{words} with {streams}")
    if plain.output and plain.code == 0:
        wanted = {"full": {4}, "closed": {4}, "left": {141}, "null": {0}}[kind]
        wanted |= {141} if streams.error == "left" else set()
        assert done.code in wanted, f"{words} with {streams}: exit code {done.code}"
    return f"printed: exit {done.code}"


def _write(random: Random, folder: Path, before: dict[Path, tuple[int, bytes]]) -> str:
    """A command that writes a file, onto what may be there already."""
    command, target = random.choice(WRITING), random.choice((*TARGETS, *LONG))
    words = [_with(word, target) for word in command.split()]
    random_input = Streams(random.choice(INPUTS), random.choice(("file", "full", "closed")))
    streams = random_input if random.random() < 0.3 else Streams()
    done = netrun(random, words, folder, streams)
    judge(done, f"{words} with {streams}")
    written = {_resolved(folder, word) for word in words if target in word}
    run_folder = {path for path in before if words[0] == "train" and any(_is_in(path, w) for w in written)}
    for path, (_, content) in before.items():
        changed = path.is_file() and path.read_bytes() != content
        is_target = _resolved(folder, str(path)) in written or path in run_folder
        assert not changed or (is_target and not _is_read(path, words)), f"{words} changed {path.name}"
    return f"wrote: exit {done.code}"


def _is_read(path: Path, words: list[str]) -> bool:
    """Whether the command reads this file as its input, and is not asked to rewrite it."""
    if words[0] in ("fmt", "check", "init"):
        return False
    return path.name in ("m.net", "parts.net") or any(path.name in word for word in words[1:-1])


def _with(word: str, target: str) -> str:
    """The word with the target in place of OUT; a target with a suffix of its own keeps it."""
    name, _, suffix = word.partition(".")
    return target + (f".{suffix}" if suffix and "." not in target else "") if name == "OUT" else word


def _resolved(folder: Path, word: str) -> Path:
    try:
        return (folder / word).resolve()
    except (OSError, RuntimeError):
        return folder / word


def _is_in(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder)
