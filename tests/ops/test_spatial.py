"""Windows and what slides them: onnx's own vectors, symbolic sizes, precision, and the edges of arrays."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from netdsl.dims import Dim, dim, symbol
from netdsl.ops.contract.base import DataError, Op
from netdsl.ops.contract.rules import sizes
from netdsl.ops.conv import conv_transpose as conv_transpose_module
from netdsl.ops.conv.conv import Conv
from netdsl.ops.conv.conv_transpose import ConvTranspose
from netdsl.ops.numerics import columns
from netdsl.ops.pool.adaptive_pool import AdaptiveAvgPool, AdaptiveMaxPool
from netdsl.ops.pool.global_pool import GlobalAvgPool, GlobalLpPool, GlobalMaxPool
from netdsl.ops.pool.pool import AvgPool, LpPool, MaxPool
from netdsl.ops.pool.upsample import Upsample
from netdsl.ops.shape.pad import Pad
from netdsl.types import tensor
from ops.vectors import Vector, check_vector, vectors

B, H, W = symbol("B"), symbol("H"), symbol("W")

# -- vectors ---------------------------------------------------------------------------------------

REASONS = {
    "gives the places of the maxima too": """
        maxpool_with_argmax_2d_precomputed_pads maxpool_with_argmax_2d_precomputed_strides""",
    "pads by the size of the result": """
        convtranspose_output_shape convtranspose_kernel_shape convtranspose_autopad_same""",
    "names the axes in another order": """
        resize_upsample_scales_nearest_axes_3_2 resize_upsample_sizes_nearest_axes_3_2""",
    "scales by a fraction": """
        resize_downsample_scales_nearest resize_downsample_scales_linear
        resize_downsample_scales_linear_align_corners resize_downsample_scales_linear_half_pixel_symmetric
        resize_upsample_scales_linear_half_pixel_symmetric""",
    "rounds to the nearest centre, or up": """
        resize_downsample_sizes_nearest resize_upsample_sizes_nearest_floor_align_corners
        resize_upsample_sizes_nearest_round_prefer_ceil_asymmetric
        resize_upsample_sizes_nearest_ceil_half_pixel""",
    "has a rule of its own for size 1": "resize_downsample_sizes_linear_pytorch_half_pixel",
    "fits the size to the aspect ratio": """
        resize_upsample_sizes_nearest_not_larger resize_upsample_sizes_nearest_not_smaller
        resize_downsample_sizes_nearest_not_larger resize_downsample_sizes_nearest_not_smaller""",
    "smooths": """
        resize_downsample_scales_linear_antialias resize_downsample_sizes_linear_antialias
        resize_downsample_scales_cubic_antialias resize_downsample_sizes_cubic_antialias""",
    "is cubic": """
        resize_upsample_scales_cubic resize_upsample_scales_cubic_align_corners resize_downsample_scales_cubic
        resize_downsample_scales_cubic_align_corners resize_upsample_sizes_cubic resize_downsample_sizes_cubic
        resize_upsample_scales_cubic_A_n0p5_exclude_outside resize_upsample_scales_cubic_asymmetric
        resize_downsample_scales_cubic_A_n0p5_exclude_outside""",
    "crops": """
        resize_tf_crop_and_resize resize_tf_crop_and_resize_extrapolation_value
        resize_tf_crop_and_resize_axes_2_3 resize_tf_crop_and_resize_axes_3_2""",
}
LEFT_OUT = {name: reason for reason, names in REASONS.items() for name in names.split()}
AUTO_PAD = {b"SAME_UPPER": "same", b"SAME_LOWER": "same_lower", b"VALID": "valid"}


def pad_of(v: Vector) -> Any:
    auto = v.attributes.get("auto_pad", b"NOTSET")
    return AUTO_PAD[auto] if auto in AUTO_PAD else tuple(v.attributes.get("pads", (0,)))


def conv(v: Vector) -> Op:
    a = v.attributes
    stride, dilation = tuple(a.get("strides", (1,))), tuple(a.get("dilations", (1,)))
    if v.op_type == "Conv":
        return Conv(stride, pad_of(v), dilation, a.get("group", 1))
    return ConvTranspose(stride, pad_of(v), tuple(a.get("output_padding", (0,))), dilation, a.get("group", 1))


def pool(v: Vector) -> Op:
    a = v.attributes
    size, stride = tuple(a["kernel_shape"]), tuple(a.get("strides", (1,)))
    given = (size, stride, pad_of(v), tuple(a.get("dilations", (1,))), bool(a.get("ceil_mode", 0)))
    if v.op_type == "AveragePool":
        return AvgPool(*given, count_pad=bool(a.get("count_include_pad", 0)))
    return MaxPool(*given) if v.op_type == "MaxPool" else LpPool(*given, p=float(a["p"]))


def upsample(v: Vector) -> Op:
    factors = [int(n) for n in v.inputs[-1][-2:]]
    mode = {b"nearest": "nearest", b"linear": "bilinear"}[v.attributes["mode"]]
    corners = v.attributes.get("coordinate_transformation_mode") == b"align_corners"
    if v.inputs[-1].dtype == np.int64:
        return Upsample(size=sizes(*factors), mode=mode, align_corners=corners)
    return Upsample(tuple(factors), mode=mode, align_corners=corners)


def pad(v: Vector) -> Op:
    x, pads = v.inputs[:2]
    axes = v.inputs[3] if len(v.inputs) > 3 else range(x.ndim)
    pairs = np.zeros((2, x.ndim), int)
    pairs[:, list(axes)] = pads.reshape(2, -1)
    begins, ends = (tuple(map(int, row)) for row in pairs)
    value = float(v.inputs[2]) if len(v.inputs) > 2 else 0.0
    return Pad(begins, ends, v.attributes["mode"].decode(), value)


OPERATORS: dict[str, Callable[[Vector], Op]] = {
    "Conv": conv,
    "ConvTranspose": conv,
    "MaxPool": pool,
    "AveragePool": pool,
    "LpPool": pool,
    "GlobalAveragePool": lambda v: GlobalAvgPool(keepdims=True),
    "GlobalMaxPool": lambda v: GlobalMaxPool(keepdims=True),
    "Resize": upsample,
    "Upsample": upsample,
    "Pad": pad,
}


ROUNDED = "averagepool_2d_ceil_last_window_starts_on_pad"
"""A case whose outputs are written with four digits."""


@pytest.mark.parametrize("vector", vectors(*OPERATORS, left_out=LEFT_OUT))
def test_onnx_vectors(vector: Vector, xp: Any, request: pytest.FixtureRequest) -> None:
    arrays = vector.inputs if vector.op_type.startswith("Conv") else vector.inputs[:1]
    limits = {"rtol": vector.rtol} if ROUNDED in request.node.name else {}
    check_vector(xp, vector, OPERATORS[vector.op_type](vector), *arrays, **limits)


# -- sizes -----------------------------------------------------------------------------------------


def out(op: Op, *shapes: tuple[Dim | int, ...]) -> str:
    found = op.shape(*(tensor("f32", *shape) for shape in shapes))
    assert not isinstance(found, tuple)
    return str(found)


def test_symbolic_sizes() -> None:
    x, weight = (B, 4, H, W), (8, 4, 3, 3)
    assert out(Conv(pad=(1,)), x, weight) == "f32[B, 8, H, W]"
    assert out(Conv((2,), (1, 0)), x, weight) == "f32[B, 8, (H + 1)//2, (W + 1)//2 - 1]"
    assert out(Conv((2,), "same"), x, weight) == "f32[B, 8, (H + 1)//2, (W + 1)//2]"
    assert out(MaxPool((2,)), x) == "f32[B, 4, H//2, W//2]"
    assert out(MaxPool((2,), ceil_mode=True), x) == "f32[B, 4, (H + 1)//2, (W + 1)//2]"
    assert out(ConvTranspose((2,)), x, (4, 8, 2, 2)) == "f32[B, 8, H*2, W*2]"
    assert out(ConvTranspose((2,), (1,), (1,)), x, (4, 8, 3, 3)) == "f32[B, 8, H*2, W*2]"
    assert out(GlobalAvgPool(), x) == "f32[B, 4]"
    assert out(AdaptiveMaxPool((7,)), x) == "f32[B, 4, 7, 7]"
    assert out(Upsample((2,)), x) == "f32[B, 4, H*2, W*2]"
    assert out(Upsample(size=(H * 3, dim(7))), x) == "f32[B, 4, H*3, 7]"
    assert out(Pad((1, 0), (2, 3)), x) == "f32[B, 4, H + 3, W + 3]"
    assert out(Conv(groups=4), (B, 4, H, W), (B * 4, 1, 1, 1)) == "f32[B, B*4, H, W]"


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("pad", [(0,), (1,), (0, 1), (1, 0), "same", "same_lower", "valid"])
def test_a_symbolic_size_agrees_with_the_array(pad: Any, ceil_mode: bool) -> None:
    for size, stride, dilation in product((2, 3, 4), (1, 2, 3), (1, 2)):
        op = MaxPool((size,), (stride,), pad, (dilation,), ceil_mode)
        inferred = op.shape(tensor("f32", 1, 1, W)).shape[2]
        for length in range((size - 1) * dilation + 1, 16):
            actual = op.forward(np, np.zeros((1, 1, length), np.float32)).shape[2]
            assert (
                inferred.evaluate({"W": length}) == actual == op.shape(tensor("f32", 1, 1, length)).shape[2]
            )


def test_same_ignores_a_window_smaller_than_its_stride(xp: Any) -> None:
    x = xp.asarray([[[1.0, 5.0, 9.0, 2.0, 4.0, 8.0, 3.0]]])
    assert MaxPool((2,), (3,), "same").forward(xp, x).tolist() == [[[5, 4, 3]]]
    assert MaxPool((2,), (3,), "same").forward(xp, x[..., :6]).tolist() == [[[5, 4]]]


def test_a_window_over_nothing_is_possible_with_same(xp: Any) -> None:
    x = xp.zeros((1, 2, 0, 3), dtype=xp.float32)
    assert MaxPool((4,), (2,), "same").forward(xp, x).shape == (1, 2, 0, 2)
    assert AvgPool((4,), (2,), "same").forward(xp, x).shape == (1, 2, 0, 2)
    assert Conv((2,), "same").forward(xp, x, xp.ones((4, 2, 3, 3), dtype=xp.float32)).shape == (1, 4, 0, 2)


RUN_TIME = {
    "window": (Conv(), (1, 2, 3, 4), (1, 2, 3, 5)),
    "pooled window": (MaxPool((4,)), (1, 2, 3)),
    "cut": (ConvTranspose(pad=(2,)), (1, 2, 3), (2, 2, 2)),
    "global": (GlobalAvgPool(), (2, 3, 0)),
    "adaptive": (AdaptiveMaxPool((2,)), (2, 3, 0)),
    "upsample": (Upsample(size=sizes(3)), (2, 3, 0)),
    "reflect": (Pad((3,), mode="reflect"), (2, 3)),
    "wrap": (Pad((4,), mode="wrap"), (2, 3)),
    "edge": (Pad((1,), mode="edge"), (2, 0)),
}


@pytest.mark.parametrize("case", RUN_TIME.values(), ids=RUN_TIME)
def test_sizes_that_only_run_time_knows_are_refused(case: Any, xp: Any) -> None:
    op, *shapes = case
    with pytest.raises(DataError):
        op.forward(xp, *(xp.ones(shape, dtype=xp.float32) for shape in shapes))


# -- convolution -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "weight", "op", "expected"),
    [
        ((1, 3, 227, 227), (96, 3, 11, 11), Conv((4,)), 105_415_200),
        ((1, 96, 27, 27), (256, 48, 5, 5), Conv(pad=(2,), groups=2), 223_948_800),
        ((1, 384, 13, 13), (256, 192, 3, 3), Conv(pad=(1,), groups=2), 74_760_192),
        ((1, 32, 112, 112), (32, 1, 3, 3), Conv(pad=(1,), groups=32), 3_612_672),
        ((2, 8, 4, 4), (8, 4, 2, 2), ConvTranspose((2,)), 2 * 8 * 16 * 4 * 4),
    ],
    ids=["alexnet-1", "alexnet-2", "alexnet-5", "mobilenet-depthwise", "transposed"],
)
def test_multiply_adds_are_those_published(x: Any, weight: Any, op: Op, expected: int) -> None:
    assert op.cost(tensor("f32", *x), tensor("f32", *weight)) == expected


CONFIGURATIONS = [
    {},
    {"stride": (2,), "pad": (1,)},
    {"stride": (3, 2), "pad": (1, 0, 2, 1), "dilation": (1, 2)},
    {"stride": (2,), "pad": (1,), "groups": 2},
    {"dilation": (2,), "groups": 4},
]


@pytest.mark.parametrize("attributes", CONFIGURATIONS)
def test_transposed_convolution_is_the_adjoint(attributes: Any, xp: Any) -> None:
    """`<conv(x), y> == <x, conv_transpose(y)>`, with the output padding that gives the size of `x`."""
    rng = np.random.default_rng(0)
    weight = xp.asarray(rng.normal(size=(4, 4 // attributes.get("groups", 1), 3, 2)))
    for space in product((7, 8, 9), (7, 8)):
        x = xp.asarray(rng.normal(size=(2, 4, *space)))
        forth = Conv(**attributes).forward(xp, x, weight)
        y = xp.asarray(rng.normal(size=forth.shape))
        short = ConvTranspose(**attributes).forward(xp, y, weight)
        missing = tuple(n - m for n, m in zip(space, short.shape[2:], strict=True))
        back = ConvTranspose(**attributes, output_pad=missing).forward(xp, y, weight)
        np.testing.assert_allclose(float(xp.sum(forth * y)), float(xp.sum(x * back)), rtol=1e-12)


@pytest.mark.parametrize("limit", [1, 3000, 20000])
def test_results_do_not_depend_on_the_blocks(limit: int, xp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, weight = xp.asarray(rng.normal(size=(3, 4, 9, 8))), xp.asarray(rng.normal(size=(4, 2, 3, 3)))
    forth, back = Conv((2, 1), (1,), groups=2), ConvTranspose((2, 1), (1,), groups=2)
    whole = forth.forward(xp, x, weight), back.forward(xp, x, weight)
    for module in (columns, conv_transpose_module):
        monkeypatch.setattr(module, "COPY_LIMIT", limit)
    np.testing.assert_allclose(forth.forward(xp, x, weight).tolist(), whole[0].tolist(), rtol=1e-13)
    np.testing.assert_allclose(back.forward(xp, x, weight).tolist(), whole[1].tolist(), rtol=1e-13)


@pytest.mark.parametrize("batch", [1, 4])
def test_windows_are_not_all_copied_at_once(batch: int) -> None:
    x, weight = np.ones((batch, 64, 128, 128), np.float32), np.ones((8, 64, 3, 3), np.float32)
    tracemalloc.start()
    Conv(pad=(1,)).forward(np, x, weight)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * x.nbytes + 2**23 < 9 * x.nbytes


# -- precision -------------------------------------------------------------------------------------


def test_sums_of_16_bit_floats_are_taken_wide(xp: Any) -> None:
    def half(values: Any) -> Any:
        return xp.asarray(values, dtype=xp.float16)

    many = xp.ones((1, 4096, 2, 2), dtype=xp.float16)
    assert Conv().forward(xp, many, many[..., :1, :1]).tolist() == [[[[4096] * 2] * 2]]
    assert Conv().forward(xp, many, many[..., :1]).tolist() == [[[[8192] * 2]]]
    back = ConvTranspose().forward(xp, half([[[1, 1, 2048]]]), half([[[1, 1, 1]]]))
    assert back.tolist() == [[[1, 2, 2050, 2048, 2048]]]
    large = half([[[60000, 60000, 60000, 60000]]])
    assert AvgPool((2,)).forward(xp, large).tolist() == [[[60000, 60000]]]
    assert GlobalAvgPool().forward(xp, large).tolist() == [[60000]]
    assert AdaptiveAvgPool((1,)).forward(xp, large).tolist() == [[[60000]]]
    assert LpPool((4,)).forward(xp, half([[[300] * 4]])).tolist() == [[[600]]]
    assert GlobalLpPool().forward(xp, half([[[300] * 4]])).tolist() == [[600]]
    opposite = half([[[-60000, 60000]]])
    assert Upsample((2,), mode="bilinear").forward(xp, opposite).tolist() == [
        [[-60000, -30000, 30000, 60000]]
    ]


SPATIAL: list[tuple[Op, tuple[int, ...] | None]] = [
    (Conv(pad=(1,)), (2, 3, 3)),
    (Conv(), (2, 3, 1)),
    (ConvTranspose((2,)), (3, 2, 2)),
    (MaxPool((3,), (2,), (1,)), None),
    (AvgPool((3,), (2,), (1,)), None),
    (LpPool((3,), p=3.0), None),
    (GlobalAvgPool(), None),
    (GlobalMaxPool(), None),
    (GlobalLpPool(), None),
    (AdaptiveAvgPool((2,)), None),
    (AdaptiveMaxPool((2,)), None),
    (Upsample((2,)), None),
    (Upsample((2,), mode="bilinear"), None),
    (Pad((1,)), None),
    (Pad((2,), mode="reflect"), None),
]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("op", "weight"), SPATIAL, ids=[str(op) for op, _ in SPATIAL])
def test_16_bit_floats_give_the_result_of_wide_ones(op: Op, weight: Any, dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(dtype) for shape in ((2, 3, 5), weight) if shape]
    narrow = op.forward(np, *arrays)
    wide = op.forward(np, *(a.astype(np.float32) for a in arrays))
    assert narrow.dtype == arrays[0].dtype
    np.testing.assert_array_equal(narrow, wide.astype(dtype))


# -- pooling ---------------------------------------------------------------------------------------


def test_padding_never_is_the_maximum(xp: Any) -> None:
    x = xp.asarray([[[-3.0, -2.0, -5.0]]])
    assert MaxPool((3,), (1,), (1,)).forward(xp, x).tolist() == [[[-2, -2, -2]]]
    for dtype in (xp.int8, xp.int64):
        low = int(np.iinfo(dtype).min)
        y = MaxPool((3,), (1,), (1,)).forward(xp, xp.full((1, 1, 3), low, dtype=dtype))
        assert y.dtype == dtype and y.tolist() == [[[low] * 3]]


def test_nan_is_the_maximum(xp: Any) -> None:
    x = xp.asarray([[[1.0, float("nan"), 2.0, 3.0, 4.0]]])
    assert xp.isnan(MaxPool((2,), (1,)).forward(xp, x)).tolist() == [[[True, True, False, False]]]


def test_infinity_stays_in_its_windows(xp: Any) -> None:
    x = xp.asarray([[[1.0, float("inf"), 2.0, 4.0]]])
    assert AvgPool((2,)).forward(xp, x).tolist() == [[[float("inf"), 3]]]
    assert AdaptiveAvgPool((2,)).forward(xp, x).tolist() == [[[float("inf"), 3]]]


def test_a_mean_over_padding_alone_is_0(xp: Any) -> None:
    x = xp.asarray([[[4.0, 8.0]]])
    assert AvgPool((2,), (1,), (2,), (3,)).forward(xp, x).tolist() == [[[8, 0, 4]]]


def test_what_counts_in_a_mean(xp: Any) -> None:
    x = xp.asarray([[[6.0, 6.0, 6.0, 6.0]]])
    assert AvgPool((3,), (2,), (1,)).forward(xp, x).tolist() == [[[6, 6]]]
    assert AvgPool((3,), (2,), (1,), count_pad=True).forward(xp, x).tolist() == [[[4, 6]]]
    assert AvgPool((3,), (2,), (0,), ceil_mode=True, count_pad=True).forward(xp, x).tolist() == [[[6, 6]]]
    ceiled = AvgPool((3,), (2,), (1,), ceil_mode=True, count_pad=True).forward(xp, x)
    assert ceiled.tolist() == [[[4, 6, 3]]]


def test_adaptive_bins_overlap_and_repeat(xp: Any) -> None:
    x = xp.asarray([[[1.0, 2.0, 4.0, 8.0, 16.0]]])
    assert AdaptiveMaxPool((3,)).forward(xp, x).tolist() == [[[2, 8, 16]]]
    assert AdaptiveAvgPool((3,)).forward(xp, x).tolist() == [[[1.5, 14 / 3, 12]]]
    assert AdaptiveMaxPool((4,)).forward(xp, x[..., :2]).tolist() == [[[1, 1, 2, 2]]]


# -- resampling and padding ------------------------------------------------------------------------


def test_nearest_places_are_exact_where_floats_would_not_be(xp: Any) -> None:
    """In f32, `49 * (1 / 49)` is below 1, and a place could fall into the element before."""
    for old, new in ((1, 49), (3, 147), (41, 41 * 107)):
        x = xp.arange(old).reshape(1, 1, old)
        assert Upsample((new // old,)).forward(xp, x).tolist() == [[[i * old // new for i in range(new)]]]


def test_aligned_corners_keep_their_values(xp: Any) -> None:
    x = xp.asarray([[[0.0, 3.0, 9.0]]])
    up = Upsample(size=sizes(5), mode="bilinear", align_corners=True).forward(xp, x)
    assert up.tolist() == [[[0, 1.5, 3, 6, 9]]]


def test_a_value_takes_the_type_of_the_elements(xp: Any) -> None:
    for dtype, value, expected in (
        ("int8", -3, -3),
        ("bool", 1, True),
        ("float16", 0.1, float(np.float16(0.1))),
    ):
        y = Pad((0,), (1,), value=value).forward(xp, xp.zeros(1, dtype=dtype))
        assert y.dtype == dtype and y.tolist() == [0, expected]
