"""Weights files, read and written, against the `safetensors` package and NumPy."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from netruntime.errors import WeightsError
from netruntime.files.numpy_files import ArrayFileError, read_npy
from netruntime.weight_files.weights import read_weights, write_weights

DTYPES = ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"]


def arrays_of_every_kind() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    drawn = {f"x.{d}": (rng.normal(size=(3, 5)) * 50).astype(d) for d in DTYPES if d[0] != "u"}
    drawn |= {f"x.{d}": rng.integers(0, 99, (2, 1, 3)).astype(d) for d in DTYPES if d[0] == "u"}
    turned = rng.normal(size=(4, 6)).astype("f4")
    return drawn | {
        "scalar": np.float32(1.5),
        "empty": np.zeros((0, 4), "f4"),
        "transposed": turned.T,
        "strided": turned[::2, 1::2],
        "reversed": turned[:, ::-1],
        "big endian": turned.astype(">f4"),
        "broadcast": np.broadcast_to(np.float32(2), (2, 3)),
        "name with `ticks`, ünïcode and \n": np.ones(1, "u1"),
    }


def same(left: Any, right: Any) -> None:
    assert set(left) == set(right)
    for name in right:
        np.testing.assert_array_equal(left[name], right[name], strict=True)
        assert left[name].dtype.isnative


def native(arrays: dict[str, Any]) -> dict[str, Any]:
    plain = {n: np.asarray(a, order="C") for n, a in arrays.items()}
    return {n: a.astype(a.dtype.newbyteorder("=")) for n, a in plain.items()}


def refusal(path: Any) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    return caught.value


# -- both ways against the independent implementations ----------------------------------------------


def test_the_package_reads_what_we_write(tmp_path: Path) -> None:
    arrays = arrays_of_every_kind()
    write_weights(tmp_path / "w.safetensors", arrays, {"step": "3", "ü": "é"})
    same(safetensors.numpy.load_file(tmp_path / "w.safetensors"), native(arrays))
    with safetensors.safe_open(tmp_path / "w.safetensors", "numpy") as file:
        assert file.metadata() == {"step": "3", "ü": "é"}


def test_we_read_what_the_package_writes(tmp_path: Path) -> None:
    arrays = native(arrays_of_every_kind())
    safetensors.numpy.save_file(arrays, tmp_path / "w.safetensors", {"step": "3"})
    weights = read_weights(tmp_path / "w.safetensors")
    same(weights, arrays)
    assert weights.metadata == {"step": "3"}


def test_we_read_what_we_write(tmp_path: Path) -> None:
    arrays = arrays_of_every_kind()
    for file in ("w.safetensors", "w.npz"):
        write_weights(tmp_path / file, arrays)
        same(read_weights(tmp_path / file), native(arrays))


def test_numpy_reads_the_npz_we_write_and_we_its_own(tmp_path: Path) -> None:
    arrays = arrays_of_every_kind()
    write_weights(tmp_path / "ours.npz", arrays)
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as file:
        same(dict(file), native(arrays))
    np.savez_compressed(tmp_path / "numpys.npz", **arrays)
    same(read_weights(tmp_path / "numpys.npz"), native(arrays))


@settings(deadline=None)  # writing waits for the disk
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8).filter(
            lambda name: name != "__metadata__"
        ),
        hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)),
        max_size=5,
    )
)
def test_any_arrays_survive(tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    write_weights(path, arrays)
    same(read_weights(path), arrays)
    same(safetensors.numpy.load_file(path), arrays)


def test_bf16_comes_as_float32_and_goes_as_bf16(tmp_path: Path) -> None:
    exact = np.array([[0.0, -0.0, 1.5], [3.0e38, np.inf, 1e-40]], "f4").astype(ml_dtypes.bfloat16)
    path = tmp_path / "w.safetensors"
    write_weights(path, {"w": exact, "byte": np.ones(3, "u1")})
    weights = read_weights(path)
    assert str(weights.describe("w")) == "bf16[2, 3]"
    np.testing.assert_array_equal(weights["w"], exact.astype("f4"), strict=True)
    np.testing.assert_array_equal(safetensors.numpy.load_file(path)["w"], exact, strict=True)


def test_unaligned_tensors_are_read_right(tmp_path: Path) -> None:
    numbers = np.arange(3, dtype="f8")
    header = json.dumps(
        {
            "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
            "b": {"dtype": "F64", "shape": [3], "data_offsets": [1, 25]},
        }
    ).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\x07" + numbers.tobytes())
    weights = read_weights(path)
    same(weights, {"a": np.array([7], "u1"), "b": numbers})
    assert weights["b"].flags.aligned


def test_what_we_write_is_aligned_mapped_and_read_only(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write_weights(path, {"a": np.ones(3, "u1"), "b": np.ones((2, 2), "f8"), "c": np.ones(3, "f4")})
    weights = read_weights(path)
    for name in "abc":
        array = weights[name]
        assert array.flags.aligned and not array.flags.owndata and not array.flags.writeable
    assert type(weights["a"]) is np.ndarray


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    arrays = arrays_of_every_kind()
    for file in ("w.safetensors", "w.npz"):
        write_weights(tmp_path / file, arrays)
        first = (tmp_path / file).read_bytes()
        write_weights(tmp_path / file, dict(reversed(arrays.items())))
        assert (tmp_path / file).read_bytes() == first


def test_a_file_without_tensors(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.safetensors", {})
    assert dict(read_weights(tmp_path / "w.safetensors")) == {}


# -- mappings --------------------------------------------------------------------------------------


def test_a_mapping_is_taken_as_it_is() -> None:
    array = np.ones(2, "f4")
    weights = read_weights({"w": array, "n": [1, 2]})
    assert weights["w"] is array
    assert str(weights.describe("w")) == "f32[2]"
    assert read_weights(weights) is weights


@pytest.mark.parametrize(
    ("given_weights", "message"),
    [
        ({1: np.ones(2)}, "names of weights must be strings, but `1` is not"),
        ({"w": "abc"}, "weight `w` is not an array of numbers but a str of <U3"),
        ({"w": np.array([None])}, "weight `w` is not an array of numbers but a ndarray of object"),
        ({"w": np.ones(2, "c16")}, "weight `w` is not an array of numbers but a ndarray of complex128"),
    ],
)
def test_a_mapping_of_something_else_is_refused(given_weights: Any, message: str) -> None:
    error = refusal(given_weights)
    assert (error.code, error.diagnostics[0].message) == ("E0708", message)


# -- npz and other kinds ---------------------------------------------------------------------------


def npz_of(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def npy_bytes(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + data


GOOD_NPY = npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", bytes(8))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_name_twice_in_an_npz_is_refused(tmp_path: Path) -> None:
    path = npz_of(tmp_path / "w.npz", ("a.npy", GOOD_NPY), ("a.npy", GOOD_NPY))
    error = refusal(path)
    assert error.code == "E0709"
    assert error.diagnostics[0].message == (
        f"the weights `{path}` are ambiguous: it holds two arrays named `a`"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it does not begin as a .npy array does"),
        (b"hello, world", "it is text, which begins `hello, world`"),
        (b"\x01\x02\x03hello", "it does not begin as a .npy array does"),
        (npy_bytes("{'descr': '<f4'}"), "its .npy header is damaged"),
        (npy_bytes("__import__('os')"), "its .npy header is damaged"),
        (npy_bytes("(" * 5000), "its .npy header is damaged"),
        (npy_bytes("{'descr':"), "its .npy header is damaged"),
        (npy_bytes("{}", version=b"\x03\x00"), "its .npy version 3.0 does not hold plain numbers"),
        (
            npy_bytes("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}"),
            "it holds Python objects (pickle), which may run code when read",
        ),
        (
            npy_bytes("{'descr': '|V2', 'fortran_order': False, 'shape': (2,)}", bytes(4)),
            "its element type is |V2, which is not a number type of netdsl",
        ),
        (
            npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}"),
            "its shape [-2] is impossible",
        ),
        (
            npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"),
            "its shape [4294967296, 4294967296] is impossible",
        ),
        (
            npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,)}", bytes(8)),
            "its header promises 399999999996 bytes of numbers, but it holds 8",
        ),
        (GOOD_NPY + b"x", "its header promises 8 bytes of numbers, but it holds 9"),
    ],
)
def test_a_bad_array_in_an_npz_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = npz_of(tmp_path / "w.npz", ("ok.npy", GOOD_NPY), ("bad.npy", content))
    error = refusal(path)
    assert error.code == "E0707"
    assert error.diagnostics[0].message == f"cannot use the weights `{path}`: array `bad`: {reason}"


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    path = npz_of(tmp_path / "w.npz", ("a.npy", GOOD_NPY))
    content = path.read_bytes()
    path.write_bytes(content[:40])
    assert "zip archive is damaged: File is not a zip file" in str(refusal(path))
    path.write_bytes(content.replace(bytes(8), b"\1" + bytes(7), 1))
    assert "damaged: Bad CRC-32 for file 'a.npy'" in str(refusal(path))
    npz_of(path, ("notes.txt", b"hello"))
    assert "it holds `notes.txt`, which is not a .npy array" in str(refusal(path))


@pytest.mark.parametrize(
    ("file", "message", "help"),
    [
        ("w.npy", "holds one array without a name, but weights need names", "np.savez("),
        (
            "w.pt",
            "is a Python pickle, which may run code when read; netdsl does not read pickles",
            "safetensors",
        ),
        (
            "w.BIN",
            "is a Python pickle, which may run code when read; netdsl does not read pickles",
            "safetensors",
        ),
        ("w.h5", "is not a kind of weights file that netdsl knows", ".safetensors or .npz"),
    ],
)
def test_other_kinds_are_refused_with_advice(file: str, message: str, help: str, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(b"x")
    error = refusal(tmp_path / file)
    assert (error.code, error.diagnostics[0].message) == ("E0702", f"`{tmp_path / file}` {message}")
    assert help in str(error.diagnostics[0].help)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    error = refusal(tmp_path / "no.safetensors")
    assert str(error) == (
        f"error[E0701]: cannot read the weights `{tmp_path / 'no.safetensors'}`: No such file or directory"
    )
    assert refusal("a\0b.npz").code == "E0701"


# -- shards and folders ----------------------------------------------------------------------------


def shard_folder(folder: Path, shards: dict[str, dict[str, Any]], **weight_map: str) -> Path:
    for shard, arrays in shards.items():
        write_weights(folder / shard, arrays)
    homes = {name: shard for shard, arrays in shards.items() for name in arrays} | weight_map
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": homes}))
    return index


ONE, TWO = {"a": np.ones(2, "f4")}, {"b": np.zeros((2, 2), "f2")}


def test_shards_are_read_as_one_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    index = shard_folder(tmp_path, {"m-1.safetensors": ONE, "sub/m-2.safetensors": TWO})
    for path in (index, tmp_path):
        weights = read_weights(path)
        same(weights, ONE | TWO)
        assert str(weights.describe("b")) == "f16[2, 2]"


@pytest.mark.parametrize(
    "shard",
    [
        "../m.safetensors",
        "/etc/m.safetensors",
        "sub/../../m.safetensors",
        "sub/../m-1.safetensors",
        "..\\m.safetensors",
        "C:\\m.safetensors",
        "sub//m.safetensors",
        "m\0.safetensors",
    ],
)
def test_a_shard_outside_the_folder_is_refused(shard: str, tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    write_weights(tmp_path / "m.safetensors", {"x": np.ones(1)})
    index = shard_folder(folder, {"m-1.safetensors": ONE}, x=shard)
    error = refusal(index)
    text = shard.replace("\0", "\\x00")
    assert error.code == "E0711"
    assert (
        error.diagnostics[0].message == f"the index `{index}` names `{text}`, which leads out of its folder"
    )


def test_a_shard_that_links_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    write_weights(tmp_path / "m.safetensors", {"x": np.ones(1)})
    (folder / "link.safetensors").symlink_to(tmp_path / "m.safetensors")
    index = shard_folder(folder, {"m-1.safetensors": ONE}, x="link.safetensors")
    assert refusal(index).code == "E0711"


def hub_cache(root: Path, blobs: str) -> Path:
    """The index of a snapshot whose files are links into a folder beside it, as a hub's cache has them."""
    files, snapshot = root / blobs, root / "models--x" / "snapshots" / "abc"
    files.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for name in ("m-1.safetensors", shard_folder(files, {"m-1.safetensors": ONE}).name):
        (files / name).rename(files / f"hash{name}")
        (snapshot / name).symlink_to(files / f"hash{name}")
    return snapshot / name


def test_a_snapshot_of_a_hub_links_to_its_own_blobs_alone(tmp_path: Path) -> None:
    index = hub_cache(tmp_path / "a", "models--x/blobs")
    for path in (index, index.parent):
        assert dict(read_weights(path)).keys() == ONE.keys()
    for elsewhere in ("models--y/blobs", "models--x/other", "models--x/blobs/deeper"):
        assert refusal(hub_cache(tmp_path / elsewhere, elsewhere)).code == "E0711"


def test_the_copy_that_the_refusal_suggests_can_be_read(tmp_path: Path) -> None:
    index = hub_cache(tmp_path, "models--y/blobs")
    assert "`cp -rL FOLDER COPY`" in str(refusal(index).diagnostics[0].help)
    shutil.copytree(index.parent, tmp_path / "copy")  # which follows links, as `cp -rL` does
    assert dict(read_weights(tmp_path / "copy")).keys() == ONE.keys()


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    index = shard_folder(tmp_path, {"m-1.safetensors": ONE}, b="m-2.safetensors")
    error = refusal(index)
    assert (error.code, error.diagnostics[0].message) == (
        "E0712",
        f"`m-2.safetensors` is missing beside `{index}`",
    )


def test_an_index_that_disagrees_is_refused(tmp_path: Path) -> None:
    shards = {"m-1.safetensors": ONE, "m-2.safetensors": TWO}
    disagree = f"the index `{tmp_path / 'model.safetensors.index.json'}` and its files disagree: "
    error = refusal(shard_folder(tmp_path, shards, a="m-2.safetensors"))
    assert error.code == "E0713"
    assert error.diagnostics[0].message == (disagree + "`a` should be in `m-2.safetensors`, but is not")
    error = refusal(shard_folder(tmp_path, shards, c="m-2.safetensors"))
    assert error.diagnostics[0].message == disagree + "`c` should be in `m-2.safetensors`, but is not"
    error = refusal(
        shard_folder(tmp_path, {"m-1.safetensors": ONE, "m-2.safetensors": TWO | ONE}, a="m-1.safetensors")
    )
    assert error.diagnostics[0].message == (
        disagree + "`a` is in two of its files, `m-1.safetensors` and `m-2.safetensors`"
    )


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        ("", "E0710", "it is not JSON"),
        ("[]", "E0710", "it has no `weight_map` from tensor names to file names"),
        ('{"weight_map": {}}', "E0710", "it has no `weight_map` from tensor names to file names"),
        ('{"weight_map": {"a": 3}}', "E0710", "`a` is mapped to `3`, not to a .safetensors file"),
        ('{"weight_map": {"a": "m.bin"}}', "E0710", "`a` is mapped to `m.bin`, not to a .safetensors file"),
        ('{"weight_map": {"a": "m", "a": "n"}}', "E0709", "names `a` twice"),
    ],
)
def test_a_bad_index_is_refused(content: str, code: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(content)
    error = refusal(path)
    assert error.code == code and reason in error.diagnostics[0].message


def test_a_folder_with_one_file(tmp_path: Path) -> None:
    write_weights(tmp_path / "any.npz", ONE)
    same(read_weights(tmp_path), ONE)


def test_a_folder_with_none_or_several_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert (error.code, error.diagnostics[0].message) == (
        "E0714",
        f"the folder `{tmp_path}` holds no weights",
    )
    write_weights(tmp_path / "a.npz", ONE)
    write_weights(tmp_path / "b.safetensors", ONE)
    error = refusal(tmp_path)
    assert error.diagnostics[0].message == f"the folder `{tmp_path}` holds several: `a.npz`, `b.safetensors`"


def test_the_folder_of_a_checkpoint_names_its_weights(tmp_path: Path) -> None:
    for name in ("state", "weights"):
        write_weights(tmp_path / f"{name}.safetensors", ONE)
    error = refusal(tmp_path)
    assert error.diagnostics[0].help == f"name the one file to read: --weights {tmp_path}/weights.safetensors"


# -- writing ---------------------------------------------------------------------------------------


def write_refusal(path: Path, arrays: dict[Any, Any], metadata: Any = None) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        write_weights(path, arrays, metadata)
    return caught.value


@pytest.mark.parametrize("file", ["w.safetensors", "w.npz"])
def test_a_write_that_fails_leaves_the_old_file(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_weights(tmp_path / file, ONE)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    error = write_refusal(tmp_path / file, TWO)
    assert str(error) == (
        f"error[E0715]: cannot write the weights `{tmp_path / file}`: No space left on device\n"
        "   = help: free some space; an older file of that name is untouched"
    )
    same(read_weights(tmp_path / file), ONE)
    assert [p.name for p in tmp_path.iterdir()] == [file]


def test_a_file_size_limit_in_the_middle_of_a_write(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="only POSIX limits file sizes")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    write_weights(tmp_path / "w.safetensors", ONE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        error = write_refusal(tmp_path / "w.safetensors", {"big": np.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.code == "E0715" and "File too large" in str(error)
    same(read_weights(tmp_path / "w.safetensors"), ONE)
    assert len(list(tmp_path.iterdir())) == 1


def test_an_open_mapping_survives_a_new_file_in_its_place(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.safetensors", ONE)
    old = read_weights(tmp_path / "w.safetensors")
    write_weights(tmp_path / "w.safetensors", {"a": np.zeros(2, "f4")})
    same(old, ONE)


def test_weights_may_be_rewritten_from_the_file_they_come_from(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.safetensors", ONE)
    write_weights(tmp_path / "w.safetensors", read_weights(tmp_path / "w.safetensors"))
    same(read_weights(tmp_path / "w.safetensors"), ONE)


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dir.npz").mkdir()
    (tmp_path / "file").touch()
    cases = {
        "dir.npz": "it is a folder",
        "none/w.npz": "No such file or directory\n   = help: make the folder first",
        "file/w.npz": "Not a directory",
    }
    for place, reason in cases.items():
        assert str(write_refusal(tmp_path / place, ONE)) == (
            f"error[E0715]: cannot write the weights `{tmp_path / place}`: {reason}"
        )

    def denied(*_: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "open", denied)
    assert str(write_refusal(tmp_path / "w.npz", ONE)).endswith(
        "Read-only file system\n   = help: choose a folder that you may write to"
    )


def test_a_new_file_has_ordinary_modes_and_links_are_followed(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    (tmp_path / "link.npz").symlink_to(tmp_path / "real.npz")
    write_weights(tmp_path / "link.npz", ONE)
    assert (tmp_path / "link.npz").is_symlink()
    assert (tmp_path / "real.npz").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize(
    ("file", "arrays", "metadata", "code", "message"),
    [
        ("w.pt", ONE, None, "E0702", "cannot write weights to `FILE`"),
        ("w.npz", {3: 1}, None, "E0708", "names of weights must be strings, but `3` is not"),
        (
            "w.npz",
            {"w": object()},
            None,
            "E0708",
            "weight `w` is not an array of numbers but an object of object",
        ),
        (
            "w.npz",
            ONE,
            {"a": "b" * 65536},
            "E0716",
            "cannot write `FILE`: a .npz file has room for 65,535 bytes of metadata, but there are 65,545",
        ),
        ("w.npz", ONE, {"a": 3}, "E0716", "metadata must map strings to strings, but `a` does not"),
        (
            "w.npz",
            {"w": np.ones(2, ml_dtypes.bfloat16)},
            None,
            "E0716",
            "cannot write `FILE`: NumPy has no bf16, the type of `w`",
        ),
        ("w.safetensors", ONE, {"a": 3}, "E0716", "metadata must map strings to strings, but `a` does not"),
        (
            "w.safetensors",
            ONE,
            {"a": "\ud800"},
            "E0716",
            "metadata must map strings to strings, but `a` does not",
        ),
        (
            "w.safetensors",
            {"__metadata__": 1},
            None,
            "E0716",
            "`__metadata__` names the metadata of `FILE`, so no array may have that name",
        ),
        ("w.safetensors", {"\ud800": 1}, None, "E0716", "`\\ud800` is not a name that a file can hold"),
    ],
)
def test_what_a_file_cannot_hold(
    file: str, arrays: Any, metadata: Any, code: str, message: str, tmp_path: Path
) -> None:
    error = write_refusal(tmp_path / file, arrays, metadata)
    assert (error.code, error.diagnostics[0].message) == (code, message.replace("FILE", str(tmp_path / file)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_metadata_is_read_back(suffix: str, tmp_path: Path) -> None:
    metadata = {"netdsl.data": json.dumps({"classes": ["Bär", "猫"]}), "epoch": "3"}
    write_weights(tmp_path / f"a{suffix}", ONE, metadata)
    file = read_weights(tmp_path / f"a{suffix}")
    assert file.metadata == metadata
    same(file, ONE)
    write_weights(tmp_path / f"b{suffix}", file)
    assert read_weights(tmp_path / f"b{suffix}").metadata == metadata


def test_numpy_reads_the_arrays_beside_metadata(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.npz", ONE, {"a": "b"})
    with np.load(tmp_path / "w.npz") as file:
        assert set(file) == set(ONE)


@pytest.mark.parametrize("comment", [b"", b"by hand", b"\xff", b"[1]", b'{"a": 1}', b"[" * 60000])
def test_a_comment_of_another_program_is_no_metadata(comment: bytes, tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **ONE)
    with zipfile.ZipFile(tmp_path / "w.npz", "a") as archive:
        archive.comment = comment
    file = read_weights(tmp_path / "w.npz")
    assert file.metadata == {}
    same(file, ONE)


def test_a_stream_that_ends_within_its_numbers_is_refused() -> None:
    with pytest.raises(ArrayFileError, match="it ends before the last of its numbers"):
        read_npy(io.BytesIO(GOOD_NPY[:-1]), len(GOOD_NPY))


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("random", "without `weights` they are random, drawn from `seed`"),
        ("bset.safetensors", "did you mean `best.safetensors`?"),
        ("ramdon", None),
    ],
)
def test_only_weights_are_proposed_for_a_missing_file(
    name: str, help: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for other in ("gan.dot", "random.dot", "best.safetensors"):
        Path(other).touch()
    with pytest.raises(WeightsError) as failed:
        read_weights(name)
    assert failed.value.code == "E0701"
    assert [d.help for d in failed.value.diagnostics] == [help]
