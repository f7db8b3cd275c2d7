"""Weights against what a model expects: every difference at once, with what was probably meant."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from netruntime.errors import MissingExtraError, WeightsError
from netruntime.files.arrays import ArrayInfo
from netruntime.weight_files.match import match_weights, nearest_names
from netruntime.weight_files.weights import read_weights, write_weights


def refusal(expected: Any, given: Any, **options: Any) -> str:
    with pytest.raises(WeightsError) as caught:
        match_weights(expected, given, **options)
    return str(caught.value)


def test_weights_that_fit() -> None:
    given = {"w": np.ones((2, 3), "f4"), "n": np.ones((), "i8"), "m": np.ones(2, "?")}
    match = match_weights({"w": ((2, 3), "f32"), "n": ((), "i64"), "m": ((2,), "bool")}, given)
    assert all(match.arrays[name] is given[name] for name in given)
    assert (match.missing, match.unexpected, dict(match.converted)) == ((), (), {})
    assert match.summary() == "3 weights"


def test_names_that_differ_are_listed_with_candidates() -> None:
    expected = {
        "enc.0.wq.weight": ((4, 4), "f32"),
        "enc.0.norm.scale": ((4,), "f32"),
        "completely.different": ((7,), "f32"),
    }
    given = {
        "enc.0.query.weight": np.ones((4, 4), "f4"),
        "enc.0.wq.bias": np.ones(4, "f4"),
        "enc.0.norm.weight": np.ones(4, "f4"),
    }
    assert refusal(expected, given) == (
        "error[E0721]: 3 weights are missing from `the given weights`\n"
        "    `enc.0.wq.weight` f32[4, 4]; closest: `enc.0.query.weight` f32[4, 4], "
        "`enc.0.norm.weight` f32[4], `enc.0.wq.bias` f32[4]\n"
        "    `enc.0.norm.scale` f32[4]; closest: `enc.0.norm.weight` f32[4], `enc.0.wq.bias` f32[4]\n"
        "    `completely.different` f32[7]\n"
        "\n"
        "error[E0722]: the model has no place for 3 weights of `the given weights`\n"
        "    `enc.0.query.weight` f32[4, 4]\n"
        "    `enc.0.wq.bias` f32[4]\n"
        "    `enc.0.norm.weight` f32[4]\n"
        '   = help: name them with rules `"theirs" => "ours"` in a `weights` map of the .net file'
    )


def test_a_shape_counts_for_more_than_some_letters() -> None:
    pool = {"layer.a.weighs": ArrayInfo("f32", (9,)), "layer.b.weigh": ArrayInfo("f32", (4, 4))}
    assert nearest_names("layer.a.weight", ArrayInfo("f32", (4, 4)), pool) == [
        "layer.b.weigh",
        "layer.a.weighs",
    ]


def test_shapes_and_kinds_that_differ_are_told_with_both_sides() -> None:
    expected = {"w": ((2, 3), "f32"), "v": ((2,), "f32"), "n": ((), "i32"), "x": ((1,), "f32")}
    given = {"w": np.ones((3, 2)), "v": np.ones(3, "f2"), "n": np.ones((), "i8"), "x": np.ones(1, "i4")}
    assert refusal(expected, given) == (
        "error[E0723]: 2 weights in `the given weights` have a different shape than in the model\n"
        "    `w` is f32[2, 3] in the model and f64[3, 2] as given\n"
        "    `v` is f32[2] in the model and f16[3] as given\n"
        "   = help: 1 fits when transposed: add `transpose` to the rule\n"
        "\n"
        "error[E0724]: 2 weights of `the given weights` of another kind than the model's\n"
        "    `n` is i32 in the model and i64 as given\n"
        "    `x` is f32 in the model and i32 as given\n"
        "   = help: floats convert to floats, integers to wider integers, and neither to the other"
    )


@pytest.mark.parametrize(
    ("given", "wanted", "fits"),
    [
        ("float64", "f16", True),
        ("float16", "f64", True),
        ("int8", "i32", True),
        ("uint8", "i32", True),
        ("uint32", "i64", True),
        ("int8", "u8", False),
        ("int8", "u16", False),
        ("int64", "i32", False),
        ("uint8", "i8", False),
        ("bool", "u8", False),
        ("uint8", "bool", False),
        ("float32", "i32", False),
        ("int32", "f32", False),
        ("float32", "bool", False),
    ],
)
def test_which_kinds_convert(given: str, wanted: str, fits: bool) -> None:
    array = np.array([0, 1, 100 if given != "bool" else 1]).astype(given)
    expected = {"w": ((3,), wanted)}
    if not fits:
        assert "E0724" in refusal(expected, {"w": array})
        return
    match = match_weights(expected, {"w": array})
    np.testing.assert_array_equal(match.arrays["w"], array)
    assert match.arrays["w"].dtype != array.dtype
    assert [pair[1] for pair in match.converted.values()] == [wanted]


def test_bf16_from_a_file_is_said_to_be_converted(tmp_path: Path) -> None:
    stored = np.array([1.5, -2.0, 3e38], ml_dtypes.bfloat16)
    write_weights(tmp_path / "w.safetensors", {"a": stored, "b": stored, "c": np.ones(1, "f4")})
    weights = read_weights(tmp_path / "w.safetensors")
    match = match_weights({"a": ((3,), "f32"), "b": ((3,), "bf16"), "c": ((1,), "f32")}, weights)
    assert match.summary() == "3 weights, 1 converted from bf16 to f32"
    np.testing.assert_array_equal(match.arrays["a"], stored.astype("f4"), strict=True)
    np.testing.assert_array_equal(match.arrays["b"], stored, strict=True)


def test_bf16_in_the_model_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    with pytest.raises(MissingExtraError, match=r"pip install .netdsl\[bf16\]."):
        match_weights({"a": ((1,), "bf16")}, {"a": np.ones(1, "f4")})


def test_values_that_would_become_infinite_are_refused() -> None:
    assert refusal({"w": ((2,), "f16")}, {"w": np.array([1.0, -7e4])}) == (
        "error[E0725]: weight `w` of `the given weights` holds values up to 70000, but f16 ends at 65504\n"
        "   = help: use a wider element type in the model"
    )
    kept = match_weights({"w": ((2,), "f16")}, {"w": np.array([np.inf, np.nan])}).arrays["w"]
    np.testing.assert_array_equal(kept, np.array([np.inf, np.nan], "f2"), strict=True)


def test_without_strict_names_may_differ_and_shapes_not() -> None:
    match = match_weights({"a": ((1,), "f32"), "b": ((1,), "f32")}, {"a": np.ones(1), "c": 1.0}, strict=False)
    assert (list(match.arrays), match.missing, match.unexpected) == (["a"], ("b",), ("c",))
    assert match.summary() == "1 weights, 1 converted from f64 to f32, 1 missing, 1 not used"
    assert "E0723" in refusal({"a": ((2,), "f32")}, {"a": np.ones(1)}, strict=False)


def test_a_common_prefix_is_noticed() -> None:
    plain, prefixed = {"fc.w": np.ones(1, "f4")}, {"module.fc.w": np.ones(1, "f4")}
    assert 'begin with `module.` there: add the rule "module.*" => "*"' in refusal(
        {"fc.w": ((1,), "f32")}, prefixed
    )
    assert 'there without `module.`: add the rule "*" => "module.*"' in refusal(
        {"module.fc.w": ((1,), "f32")}, plain
    )


def test_the_counters_of_torch_do_not_hinder_a_map() -> None:
    expected = {"c.weight": ((4, 3), "f32"), "n.scale": ((4,), "f32"), "n.mean": ((4,), "f32")}
    given = {"a.0.weight": np.ones((4, 3), "f4"), "a.1.scale": np.ones(4, "f4"), "a.1.mean": np.ones(4, "f4")}
    text = refusal(expected, given | {"a.1.num_batches_tracked": np.ones((), "i8")})
    assert '"*.num_batches_tracked" => none' in text
    assert '"a.0.*" => "c.*"\n' in text and '"a.1.*" => "n.*"\n' in text
    assert "none" not in refusal(expected, given).partition("error[E0722]")[0]


def test_long_lists_are_cut_and_quick() -> None:
    expected = {f"model.layers.{i}.mlp.weight": ((2, 2), "f32") for i in range(1500)}
    given = {f"transformer.h.{i}.ffn.kernel": np.ones((2, 2), "f4") for i in range(1500)}
    started = time.perf_counter()
    text = refusal(expected, given)
    assert time.perf_counter() - started < 10
    assert text.count("    and 1488 more") == 2
    assert len(text.splitlines()) < 40


def test_weights_of_an_unrelated_network_get_one_message_without_a_map() -> None:
    expected = {"fc.weight": ((4, 3), "f32"), "fc.bias": ((5,), "f32")}
    given = {f"conv{n}.weight": np.ones((5, n + 1, 3, 3), "f4") for n in range(4)} | {"conv.bias": np.ones(5)}
    assert refusal(expected, given) == (
        "error[E0721]: nothing of `the given weights` fits the model\n"
        "    the model needs 2 weights: `fc.weight` f32[4, 3], `fc.bias` f32[5]\n"
        "    the file holds 5 weights: `conv0.weight` f32[5, 1, 3, 3], `conv1.weight` f32[5, 2, 3, 3], "
        "`conv2.weight` f32[5, 3, 3, 3], ..\n"
        "   = help: use weights that were saved from this model"
    )


def test_a_matrix_that_fits_when_transposed_is_not_of_an_unrelated_network() -> None:
    expected = {"fc.weight": ((4, 3), "f32"), "out.weight": ((3, 2), "f32")}
    text = refusal(expected, {"a.weight": np.ones((3, 4), "f4"), "b.weight": np.ones((9, 9), "f4")})
    assert "E0722" in text and "nothing of" not in text
