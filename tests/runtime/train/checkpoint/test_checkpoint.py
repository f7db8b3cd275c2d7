"""Checkpoints come back as they were, and the newest that is whole is the one that is used."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkpoint_cases import WEIGHT, make_checkpoint

from netruntime import read_weights
from netruntime.errors import TrainingError, WeightsError
from netruntime.train.checkpoint import Checkpoint, CheckpointFolder, save_weights

FILES = ("weights.safetensors", "state.safetensors", "manifest.json")


def assert_same(found: Checkpoint | None, expected: Checkpoint) -> None:
    assert found is not None
    assert (found.step, found.epoch, found.batch) == (expected.step, expected.epoch, expected.batch)
    assert repr(dict(found.state)) == repr(dict(expected.state))  # NaN is not equal to itself
    assert found.arrays.keys() == expected.arrays.keys()
    for section, arrays in expected.arrays.items():
        assert found.arrays[section].keys() == arrays.keys()
        for name, array in arrays.items():
            assert found.arrays[section][name].dtype == array.dtype
            np.testing.assert_array_equal(found.arrays[section][name], array)


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "run" / "checkpoints", notice=lambda text: None)


def test_what_was_saved_comes_back(folder: CheckpointFolder) -> None:
    path = folder.save(make_checkpoint())
    assert path.name == "step-00000003"
    assert_same(folder.load(path), make_checkpoint())
    assert_same(folder.newest(), make_checkpoint())


def test_bf16_comes_back_as_bf16(folder: CheckpointFolder) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="pip install netdsl[bf16]")
    weights = {"w": np.asarray([1.5, -2.25], ml_dtypes.bfloat16), "flag": np.asarray([True, False])}
    checkpoint = Checkpoint(1, 0, 1, {"weights": weights}, {})
    assert_same(folder.load(folder.save(checkpoint)), checkpoint)


def test_the_weights_of_a_checkpoint_are_a_weights_file(folder: CheckpointFolder) -> None:
    path = folder.save(make_checkpoint())
    assert set(read_weights(path / "weights.safetensors")) == {WEIGHT, "fc.bias"}


def test_no_checkpoint_yet(folder: CheckpointFolder) -> None:
    assert folder.newest() is None
    assert folder.best() is None


def test_the_newest_and_the_best_are_kept(folder: CheckpointFolder) -> None:
    for step in range(1, 7):
        folder.save(make_checkpoint(step), best=step in (1, 2))
    names = sorted(path.name for path in folder.folder.glob("step-*"))
    assert names == ["step-00000002", "step-00000005", "step-00000006"]
    assert_same(folder.best(), make_checkpoint(2))


def test_the_newest_is_the_one_saved_last_whatever_its_step(folder: CheckpointFolder) -> None:
    """A run that goes on from an earlier checkpoint leaves the later ones of before behind."""
    for step in (10, 4, 4):
        folder.save(make_checkpoint(step))
    assert_same(folder.newest(), make_checkpoint(4))
    assert {path.name for path in folder.folder.glob("step-*")} == {"step-00000004", "step-00000004-2"}


def test_state_that_json_cannot_hold_is_refused_before_anything_is_written(folder: CheckpointFolder) -> None:
    for state in ({"x": np.float32(1)}, {"x": {1: 2}}, {"x": {1, 2}}):
        with pytest.raises(TypeError):
            folder.save(Checkpoint(1, 0, 0, {}, state))
    folder.close()
    assert list(folder.folder.iterdir()) == []


def flip(path: Path, place: float = 0.5) -> None:
    raw = bytearray(path.read_bytes())
    raw[int(len(raw) * place)] ^= 0x04
    path.write_bytes(raw)


def flip_near_the_end(path: Path) -> None:
    """Where arrays lie, of which any bits are possible."""
    flip(path, 0.95)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [flip, flip_near_the_end, truncate, empty, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_damage_is_seen_and_the_one_before_is_used(tmp_path: Path, name: str, damage) -> None:
    told: list[str] = []
    folder = CheckpointFolder(tmp_path, notice=told.append)
    folder.save(make_checkpoint(1))
    path = folder.save(make_checkpoint(2))
    if name == "manifest.json" and damage is truncate:
        truncate(path / name)  # the first byte from the end is a newline
    damage(path / name)
    with pytest.raises(TrainingError) as caught:
        folder.load(path)
    assert caught.value.code == ("E1054" if (name, damage) == ("manifest.json", Path.unlink) else "E1050")
    assert str(path) in str(caught.value)
    assert_same(folder.newest(), make_checkpoint(1))
    assert len(told) == 1 and str(path) in told[0]


def test_every_flipped_bit_of_a_manifest_is_seen_or_harmless(folder: CheckpointFolder) -> None:
    path = folder.save(make_checkpoint())
    whole = (path / "manifest.json").read_bytes()
    for place in range(0, len(whole), 7):
        raw = bytearray(whole)
        raw[place] ^= 0x10
        (path / "manifest.json").write_bytes(raw)
        with pytest.raises(TrainingError):
            folder.load(path)


def test_damage_never_costs_the_last_whole_one(folder: CheckpointFolder) -> None:
    folder.save(make_checkpoint(1))
    for step in (2, 3):
        truncate(folder.save(make_checkpoint(step)) / "weights.safetensors")
    assert_same(folder.newest(), make_checkpoint(1))
    folder.save(make_checkpoint(4))
    assert (folder.folder / "step-00000001").is_dir()


def test_none_that_can_be_used(folder: CheckpointFolder) -> None:
    for step in (1, 2):
        flip(folder.save(make_checkpoint(step)) / "state.safetensors")
    with pytest.raises(TrainingError, match=r"none of the 2 checkpoints in .* can be used") as caught:
        folder.newest()
    assert caught.value.code == "E1050"


def resealed(path: Path, **changes: object) -> None:
    """Change a manifest and give it the checksum that belongs to it."""
    table = json.loads((path / "manifest.json").read_text()) | changes
    del table["sha256"]
    canonical = json.dumps(table, sort_keys=True, separators=(",", ":")).encode()
    (path / "manifest.json").write_text(
        json.dumps({**table, "sha256": hashlib.sha256(canonical).hexdigest()})
    )


def test_another_version(folder: CheckpointFolder) -> None:
    path = folder.save(make_checkpoint())
    resealed(path, version=2)
    with pytest.raises(TrainingError, match="has format version `2`") as caught:
        folder.newest()
    assert caught.value.code == "E1051"


@pytest.mark.parametrize("changes", [{"files": {}}, {"sections": {"weights": 2}}, {"format": "else"}])
def test_a_manifest_that_tells_of_another_checkpoint(folder: CheckpointFolder, changes) -> None:
    path = folder.save(make_checkpoint())
    resealed(path, **changes)
    with pytest.raises(TrainingError) as caught:
        folder.load(path)
    assert caught.value.code == "E1050"


def test_a_name_given_twice(folder: CheckpointFolder) -> None:
    path = folder.save(make_checkpoint())
    weights = path / "weights.safetensors"
    raw = weights.read_bytes().replace(b'"fc.bias"', b'"fc.same"').replace(b'"fc.weight"', b'"fc.same"  ')
    weights.write_bytes(raw)
    record = {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    files = json.loads((path / "manifest.json").read_text())["files"]
    resealed(path, files=files | {"weights.safetensors": record})
    with pytest.raises(TrainingError, match="twice") as caught:
        folder.load(path)
    assert caught.value.code == "E1050"


def test_a_folder_that_is_no_checkpoint(folder: CheckpointFolder, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(TrainingError, match="not a complete checkpoint") as caught:
            folder.load(path)
        assert caught.value.code == "E1054"


def test_what_a_killed_process_left_is_removed(folder: CheckpointFolder) -> None:
    folder.save(make_checkpoint(1))
    folder.close()
    for name in (".saving-0123", ".dropped-4567"):
        shutil.copytree(folder.folder / "step-00000001", folder.folder / name)
    assert_same(folder.newest(), make_checkpoint(1))
    with CheckpointFolder(folder.folder):
        assert {path.name for path in folder.folder.iterdir()} == {"step-00000001", "training.lock"}


def test_two_trainings_in_one_folder(folder: CheckpointFolder) -> None:
    folder.save(make_checkpoint(1))
    with pytest.raises(TrainingError, match=rf"another run: process {os.getpid()} on ") as caught:
        CheckpointFolder(folder.folder).save(make_checkpoint(2))
    assert caught.value.code == "E1053"
    folder.close()
    with CheckpointFolder(folder.folder) as second:
        second.save(make_checkpoint(2))
        folder.close()  # not its lock any more
        with pytest.raises(TrainingError):
            folder.open()


def test_a_forked_child_keeps_no_lock(folder: CheckpointFolder) -> None:
    program = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from netruntime.train.checkpoint import CheckpointFolder\n"
        "CheckpointFolder(Path(sys.argv[1])).open()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.close(1)\n"
        "    time.sleep(60)\n"
        "print(child, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, folder.folder], stdout=subprocess.PIPE, check=False)
    try:
        folder.open()
    finally:
        os.kill(int(done.stdout), 9)


def test_best_and_last_weights_replace_those_before(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    for value in (1.0, 2.0):
        save_weights(path, {"w": np.full(3, value, np.float32)}, {"step": "7"})
    assert read_weights(path)["w"].tolist() == [2.0, 2.0, 2.0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["best.safetensors"]
    with pytest.raises(WeightsError, match="__metadata__"):
        save_weights(path, {"__metadata__": np.ones(1)})
