"""Inputs from arrays, tables, standard input and generators, against the types that models declare."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netdsl.dims import symbol
from netdsl.source import Source
from netdsl.types import TensorType, tensor
from netruntime.data import DataOptions
from netruntime.errors import DataInputError
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.inputs import read_input

B, H = symbol("B"), symbol("H")
ROWS = InputSpec("x", tensor("f32", B, 3))


def spec_of(dtype: str, *shape: Any) -> InputSpec:
    return InputSpec("x", tensor(dtype, *shape))


def refusal(spec: Any, wanted: InputSpec, options: DataOptions | None = None, **given: Any) -> Any:
    with pytest.raises(DataInputError) as caught:
        read_input(str(spec), wanted, options or DataOptions(), **given)
    return caught.value


def message(spec: Any, wanted: InputSpec, **given: Any) -> tuple[str, str]:
    error = refusal(spec, wanted, **given)
    return error.code, error.diagnostics[0].message


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def saved(path: Path, array: Any) -> Path:
    np.save(path, array)
    return path


# -- arrays ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i4", "i1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_files_of_numbers_become_the_inputs_floats(dtype: str, order: Any, tmp_path: Path) -> None:
    array = np.asarray(np.arange(6).reshape(2, 3), dtype, order=order)
    got = read_input(str(saved(tmp_path / "x.npy", array)), ROWS)
    np.testing.assert_array_equal(got, array.astype("f4"), strict=True)


def test_npz_by_key_by_name_and_alone(tmp_path: Path) -> None:
    one, two = np.ones((1, 3), "f4"), np.zeros((2, 3), "f4")
    np.savez(tmp_path / "both.npz", x=one, y=two)
    np.savez(tmp_path / "alone.npz", other=two)
    assert read_input(f"{tmp_path}/both.npz:y", ROWS).shape == (2, 3)
    assert read_input(f"{tmp_path}/both.npz", ROWS).shape == (1, 3)
    assert read_input(f"{tmp_path}/alone.npz", ROWS).shape == (2, 3)
    error = refusal(f"{tmp_path}/both.npz:yy", ROWS)
    assert (error.code, error.diagnostics[0].message, error.diagnostics[0].help) == (
        "E0807",
        f"`{tmp_path}/both.npz` has no array `yy`; it has `x`, `y`",
        "did you mean `y`?",
    )
    error = refusal(f"{tmp_path}/both.npz", InputSpec("image", ROWS.type))
    assert error.diagnostics[0].help == "say which: both.npz:x"


def test_a_damaged_array_file_is_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path / "x.npy", np.ones((1, 3))).read_bytes()
    path = written(tmp_path / "cut.npy", whole[:-1])
    assert message(path, ROWS) == (
        "E0806",
        f"cannot use `{path}`: its header promises 24 bytes of numbers, but it holds 23",
    )
    path = saved(tmp_path / "o.npy", np.array([None]))
    assert message(path, ROWS)[1].endswith("it holds Python objects (pickle), which may run code when read")
    path = written(tmp_path / "x.npz", b"PK\x05\x06nothing")
    assert message(path, ROWS) == (
        "E0806",
        f"cannot use `{path}`: the zip archive is damaged: File is not a zip file",
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", whole[:50])
    assert message(path, ROWS) == ("E0806", f"cannot use `{path}`: array `x`: its .npy header is damaged")


def test_shapes_that_do_not_fit_are_told_with_both_sides_and_the_place(tmp_path: Path) -> None:
    source = Source("net.net", "model M(x: f32[B, 3]) -> y: f32[B, 3] {}")
    wanted = InputSpec("x", ROWS.type, source.span(8, 20))
    path = saved(tmp_path / "x.npy", np.ones((2, 4), "f4"))
    assert str(refusal(path, wanted)) == (
        f"error[E0801]: input `x` is f32[B, 3], but `{path}` holds f32[2, 4]: axis 1 is 4, not 3\n"
        "  --> net.net:1:9\n"
        " 1 | model M(x: f32[B, 3]) -> y: f32[B, 3] {}\n"
        "   |         ^^^^^^^^^^^^ x is f32[B, 3] here"
    )


@pytest.mark.parametrize(
    ("shape", "wanted", "reason", "help"),
    [
        ((3,), (B, 3), "it has 1 axis, not 2", "one item needs an axis for `B`: array[None]"),
        ((), (3,), "it has no axes, not 1", None),
        ((3, 4), (H, H), "axis 1 is 4, not 3 (`H`)", None),
        ((7,), (2 * H,), "axis 0 is 7, which is not `H*2` for any integer H", None),
        ((1,), (H + 2,), "axis 0 is 1, which is not `H + 2` for any integer H", None),
        (
            (1, 8, 8, 3),
            (B, 3, 9, 9),
            "axis 1 is 8, not 3",
            "`--resize stretch` makes images of 9x9 from 8x8",
        ),
    ],
)
def test_why_a_shape_does_not_fit(shape: Any, wanted: Any, reason: str, help: Any, tmp_path: Path) -> None:
    error = refusal(saved(tmp_path / "x.npy", np.ones(shape)), spec_of("f32", *wanted))
    assert error.code == "E0801" and error.diagnostics[0].message.endswith(reason)
    assert error.diagnostics[0].help == help


def test_sizes_given_beforehand_hold(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.npy", np.ones((2, 3)))
    error = refusal(path, ROWS, DataOptions(sizes={"B": 4}))
    assert error.diagnostics[0].message.endswith("axis 0 is 2, not 4 (`B`)")


@pytest.mark.parametrize(
    ("array", "dtype", "reason"),
    [
        (np.ones(1, "f4"), "i32", "holds f32[1]"),
        (np.ones(1, "?"), "f32", "holds bool[1]"),
        (np.ones(1, "f4"), "bool", "holds f32[1]"),
        (np.array([300]), "u8", "holds 300 to 300, but u8 holds 0 to 255"),
        (np.array([-1]), "u8", "holds -1 to -1, but u8 holds 0 to 255"),
        (np.array([2]), "bool", "holds 2 to 2, but bool is 0 or 1"),
        (np.array([1e6]), "f16", "holds values up to 1e+06, but f16 ends at 65504"),
        (np.array([2**64 - 1], "u8"), "i64", "holds 18446744073709551615 to"),
    ],
)
def test_element_types_that_do_not_fit(array: Any, dtype: str, reason: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "x.npy", array)
    code, text = message(path, spec_of(dtype, 1))
    assert code == "E0804" and text.startswith(f"input `x` is {dtype}[1], but `{path}` {reason}")


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([200]), "u8"),
        (np.array([0, 1]), "bool"),
        (np.array([True]), "bool"),
        (np.ones(0, "i8"), "u8"),
    ],
)
def test_element_types_that_fit_by_value(array: Any, dtype: str, tmp_path: Path) -> None:
    got = read_input(str(saved(tmp_path / "x.npy", array)), spec_of(dtype, B))
    assert got.tolist() == array.tolist() and got.dtype == (np.bool_ if dtype == "bool" else np.uint8)


def test_values_that_are_not_finite_are_refused_unless_allowed(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.npy", np.array([[1, 2, 3], [4, np.inf, np.nan]]))
    assert message(path, ROWS) == (
        "E0805",
        f"`{path}` holds 2 values that are not finite; the first is inf at [1, 1]",
    )
    assert np.isnan(read_input(str(path), ROWS, DataOptions(allow_nonfinite=True))[1, 2])


# -- files -----------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    saved(tmp_path / "image.npy", np.ones(3))
    error = refusal(tmp_path / "imag.npy", ROWS)
    assert str(error) == (
        f"error[E0802]: cannot read `{tmp_path / 'imag.npy'}`: No such file or directory\n"
        "   = help: did you mean `image.npy`?"
    )
    assert message("a\0.npy", ROWS) == ("E0802", "cannot read `a\\x00.npy`: embedded null byte")
    assert message(tmp_path, ROWS) == ("E0803", f"`{tmp_path}` is a folder")
    path = written(tmp_path / "x.mp3", "x")
    assert message(path, ROWS) == ("E0803", f"`{path}` is not a kind of data that netdsl reads")


# -- standard input --------------------------------------------------------------------------------


def test_standard_input_takes_json_and_npy() -> None:
    assert read_input("-", ROWS, stdin=BytesIO(b"[[1, 2, 3]]")).tolist() == [[1, 2, 3]]
    stream = BytesIO()
    np.save(stream, np.ones((1, 3)))
    assert read_input("-", ROWS, stdin=BytesIO(stream.getvalue())).shape == (1, 3)


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (b" \n", "E0813", "standard input is empty"),
        (b"\x93NUMPY", "E0806", "cannot use standard input: it does not begin as a .npy array does"),
        (b"hello", "E0809", "standard input is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (
            b"[[1, 2]]",
            "E0801",
            "input `x` is f32[B, 3], but standard input holds f64[1, 2]: axis 1 is 2, not 3",
        ),
    ],
)
def test_standard_input_that_does_not_fit(data: bytes, code: str, text: str) -> None:
    assert message("-", ROWS, stdin=BytesIO(data)) == (code, text)


# -- CSV -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "1,2,3\n4,5,6\n",
        "a,b,c\n1,2,3\n4,5,6",
        "\ufeff1,2,3\r\n4,5,6\r\n",
        '"1", 2 ,3e0\n\n4,5.0,"6"\n',
    ],
)
def test_csv_with_and_without_a_header(content: str, tmp_path: Path) -> None:
    got = read_input(str(written(tmp_path / "x.csv", content)), ROWS)
    np.testing.assert_array_equal(got, np.array([[1, 2, 3], [4, 5, 6]], "f4"), strict=True)


def test_tsv_integers_and_bools(tmp_path: Path) -> None:
    path = str(written(tmp_path / "x.tsv", "9007199254740993\t2\n"))
    assert read_input(path, spec_of("i64", B, 2)).tolist() == [[9007199254740993, 2]]
    path = str(written(tmp_path / "x.csv", "1,0\n"))
    assert read_input(path, spec_of("bool", B, 2)).tolist() == [[True, False]]


def test_csv_rows_take_the_inputs_shape(tmp_path: Path) -> None:
    path = str(written(tmp_path / "x.csv", "1,2,3,4\n5,6,7,8\n"))
    assert read_input(path, spec_of("f32", B, 1, 2, 2))[1].tolist() == [[[5, 6], [7, 8]]]
    column = str(written(tmp_path / "y.csv", "1\n2\n3\n"))
    assert read_input(column, spec_of("f32", B)).tolist() == [1, 2, 3]
    assert message(path, spec_of("f32", B, 3, 2, 2))[0] == "E0801"


@pytest.mark.parametrize(
    ("content", "dtype", "reason"),
    [
        ("1,2,3\n4,5\n", "f32", "line 2 of `FILE` has 2 cells, but the first has 3"),
        ("a,b,c\n1,2,3,4\n", "f32", "line 2 of `FILE` has 4 cells, but the first has 3"),
        ("1,2,3\n1,x,3\n", "f32", "line 2, column 2 (`1`) of `FILE` is `x`, which is not a number"),
        ("1,2,3\n\n4,,6\n", "f32", "line 3, column 2 (`1`) of `FILE` is empty, which is not a number"),
        ("1,2,3\n1_0,2,3\n", "f32", "line 2, column 1 (`0`) of `FILE` is `1_0`, which is not a number"),
        ('1,2,"3\n', "f32", "line 1 of `FILE` cannot be read: unexpected end of data"),
    ],
)
def test_tables_that_are_not_numbers(content: str, dtype: str, reason: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", content)
    assert message(path, spec_of(dtype, B, 3)) == ("E0808", reason.replace("FILE", str(path)))


@pytest.mark.parametrize(
    ("content", "dtype", "code", "reason"),
    [
        ("1,x,3\n", "f32", "E0804", "input `x` is f32[B, 3], but `FILE`, column `1` holds classes or words"),
        ("1,2.5,3\n", "i32", "E0804", "input `x` is i32[B, 3], but `FILE` holds f64[1, 3]"),
        (f"1,2,{2**63}\n", "i64", "E0804", "input `x` is i64[B, 3], but `FILE` holds f64[1, 3]"),
        ("", "f32", "E0813", "`FILE` holds no rows"),
        ("a,b,c\n", "f32", "E0813", "`FILE` holds no rows"),
    ],
)
def test_tables_that_do_not_fit(content: str, dtype: str, code: str, reason: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", content)
    assert message(path, spec_of(dtype, B, 3)) == (code, reason.replace("FILE", str(path)))


def test_integers_of_64_bits_are_read_exactly(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", f"{2**63 - 1},{-(2**63)}\n{2**53 + 1},7\n")
    expected = [[2**63 - 1, -(2**63)], [2**53 + 1, 7]]
    assert read_input(str(path), spec_of("i64", B, 2)).tolist() == expected


def test_a_table_of_another_encoding_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", "1,2,3\n4,\xff,5\n".encode("latin-1"))
    assert message(path, ROWS) == ("E0808", f"`{path}` is not UTF-8 text: invalid start byte")


# -- JSON ------------------------------------------------------------------------------------------


def test_json_lists_and_entries(tmp_path: Path) -> None:
    path = written(tmp_path / "x.json", json.dumps({"x": [[1, 2.5, 3]], "y": [[0, 0, 0]]}))
    assert read_input(str(path), ROWS).tolist() == [[1, 2.5, 3]]
    assert read_input(f"{path}:y", ROWS).tolist() == [[0, 0, 0]]
    path = written(tmp_path / "z.json", "[]")
    assert read_input(str(path), spec_of("f32", B)).shape == (0,)
    assert read_input(str(written(path, "[[], []]")), spec_of("f32", B, H)).shape == (2, 0)
    assert read_input(str(written(path, "3")), spec_of("i64")).shape == ()
    assert read_input(str(written(path, "[true, 0]")), spec_of("bool", B)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("content", "dtype", "reason"),
    [
        ("[[1, 2, 3], [4, 5]]", "f32", "[1] of `FILE` is a list of 2, but [0] is a list of 3"),
        ("[[1], [[2]]]", "f32", "[1][0] of `FILE` is a list of 1, which is not a number"),
        ("[[1], 2]", "f32", "[1] of `FILE` is `2`, where its neighbours are lists"),
        ('[[1, "2"]]', "f32", '[0][1] of `FILE` is `"2"`, which is not a number'),
        ("[[1, null]]", "f32", "[0][1] of `FILE` is `null`, which is not a number"),
        ("[[1, true]]", "f32", "[0][1] of `FILE` is `true`, which is not a number"),
        ("[[1, {}]]", "f32", "[0][1] of `FILE` is an object, which is not a number"),
        ("[[1, 2.0]]", "i32", "[0][1] of `FILE` is `2.0`, which is not an integer of 64 bits"),
        (
            f"[[1, {2**63}]]",
            "i64",
            f"[0][1] of `FILE` is `{2**63}`, which is not an integer of 64 bits",
        ),
        ("[[1, 2]]", "bool", "[0][1] of `FILE` is `2`, which is not true or false"),
        ("[" * 70 + "1" + "]" * 70, "f32", "`FILE` is nested 70 deep, and arrays have 64 axes"),
        ("[" * 100_000, "f32", "`FILE` is not JSON: it is nested too deeply"),
        ('{"a": 1, "a": 2}', "f32", "`FILE` gives `a` twice"),
        ('{"a": 1}', "f32", "`FILE` has no entry `x`; it has `a`"),
        ("[1", "f32", "`FILE` is not JSON: Expecting ',' delimiter: line 1 column 3 (char 2)"),
    ],
)
def test_json_that_is_no_array(content: str, dtype: str, reason: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x.json", content)
    assert message(path, spec_of(dtype, B, H)) == ("E0809", reason.replace("FILE", str(path)))


def test_a_key_into_a_json_list_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.json", "[1]")
    assert message(f"{path}:y", ROWS) == ("E0809", f"`{path}` is not an object, so it has no `y`")


def test_infinity_in_json_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.json", "[[1, -Infinity, 1e999]]")
    assert message(path, ROWS) == (
        "E0805",
        f"`{path}` holds 2 values that are not finite; the first is -inf at [0, 1]",
    )


# -- generators ------------------------------------------------------------------------------------


def made(spec: str, wanted: InputSpec, seed: int = 0) -> Any:
    return read_input(spec, wanted, DataOptions(sizes={"B": 2, "H": 500}), seed=seed)


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "f64", "i8", "u8", "i32", "i64", "bool"])
def test_zeros_and_ones_of_every_type(dtype: str) -> None:
    wanted = spec_of(dtype, B, 3)
    assert made("zeros", wanted).astype(float).tolist() == [[0] * 3] * 2
    assert made("ones", wanted).astype(float).tolist() == [[1] * 3] * 2
    names = {"f": "float", "b": "bfloat", "i": "int", "u": "uint"}
    expected = (
        "bool" if dtype == "bool" else dtype.replace(dtype[: -len(dtype.lstrip("bfiu"))], names[dtype[0]])
    )
    assert made("ones", wanted).dtype.name == expected


def test_random_is_normal_and_reproducible() -> None:
    wanted = spec_of("f32", H, H)
    first = made("random", wanted)
    assert abs(first.mean()) < 0.01 and abs(first.std() - 1) < 0.01
    np.testing.assert_array_equal(first, made("random", wanted), strict=True)
    assert not np.array_equal(first, made("random", wanted, seed=1))
    assert not np.array_equal(first, made("random", InputSpec("other", wanted.type)))


def test_random_in_a_range() -> None:
    whole = made("random:-2..3", spec_of("i32", H))
    assert sorted(set(whole.tolist())) == [-2, -1, 0, 1, 2] and whole.dtype == np.int32
    spread = made("random:-.5..1.5e0", spec_of("f32", H))
    assert -0.5 <= spread.min() < -0.4 and 1.4 < spread.max() <= 1.5 and spread.dtype == np.float32
    assert set(made("random", spec_of("bool", H)).tolist()) == {True, False}
    assert made(f"random:{-(2**63)}..{2**63}", spec_of("i64", H)).dtype == np.int64


@pytest.mark.parametrize(
    ("spec", "dtype", "shape", "text"),
    [
        ("random", "i32", (B,), "input `x` is i32[B], but random integers need a range"),
        ("random:5", "f32", (B,), "`random:5` for input `x` is not understood"),
        ("zeros:5", "f32", (B,), "`zeros:5` for input `x` is not understood"),
        ("random:5..5", "f32", (B,), "`random:5..5` is not a range for input `x`, which is f32[B]"),
        ("random:0..1e999", "i32", (B,), "`random:0..1e999` is not a range for input `x`, which is i32[B]"),
        ("random:0..1", "bool", (B,), "`random:0..1` is not a range for input `x`, which is bool[B]"),
        ("random:0..1.5", "i32", (B,), "`random:0..1.5` is not a range of integers, but input `x` is i32[B]"),
        ("random:0..300", "u8", (B,), "`random:0..300` leaves the range of u8, 0 to 255"),
        ("random:0..1e5", "f16", (B,), "`random:0..1e5` leaves the range of f16"),
        ("random:-1e308..1e308", "f64", (B,), "`random:-1e308..1e308` leaves the range of f64"),
        ("ones", "f32", (B, symbol("T")), "input `x` is f32[B, T], but `T` has no size yet"),
        ("ones", "f32", (B - 3,), "input `x` would have the impossible shape [-1]"),
        (
            "ones",
            "f32",
            (B * 2**62, 1),
            "input `x` is f32[B*4611686018427387904, 1], whose size has no value: "
            "a size of 9223372036854775808 does not fit in 64 bits",
        ),
        ("ones", "f32", (2**62,), "input `x` would have the impossible shape [4611686018427387904]"),
    ],
)
def test_inputs_that_cannot_be_made_up(spec: str, dtype: str, shape: Any, text: str) -> None:
    error = refusal(spec, spec_of(dtype, *shape), DataOptions(sizes={"B": 2}))
    assert (error.code, error.diagnostics[0].message) == ("E0814", text)


def test_an_input_too_large_for_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = InputSpec("x", TensorType(ROWS.type.dtype, (B,)))
    monkeypatch.setattr("netruntime.readers.generated.shortage", lambda needed: None)

    def full(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "full", full)
    error = refusal("zeros", wanted, DataOptions(sizes={"B": 2**50}))
    assert (error.code, error.diagnostics[0].message) == (
        "E0822",
        "zeros for `x`, f32[B], does not fit in memory",
    )
