"""Embedding: loading, calling, tapping, weights in and out, threads, and errors at run time."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

import netruntime as nr
from netdsl.graph import Frame
from netdsl.ops.elementwise.smooth_activations import Tanh
from netruntime.engine.backends import open_device

TEXT = """net 1.0

config { width: int = 4 }

model Net(x: f32[B, 3], shift: f32[B] = none) -> y: f32[B, 2] {
  return x -> hidden: Linear(width) -> act: relu -> out: Linear(2)
}

weights theirs {
  "l1.w" => "hidden.weight" transpose
  "l1.b" => "hidden.bias"
  "l2.w" => "out.weight" transpose
  "l2.b" => "out.bias"
}
"""
TEXT = TEXT.replace(", shift: f32[B] = none", "")
X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)


def plain(net: nr.Network, x: Any) -> Any:
    w = net.weights
    hidden = np.maximum(x @ w["hidden.weight"] + w["hidden.bias"], 0)
    return hidden @ w["out.weight"] + w["out.bias"]


def plain_sizes(net: nr.Network, x: Any) -> Any:
    """What `plain` sums, without signs: a bound of each intermediate sum."""
    w = {name: np.abs(host(array)) for name, array in net.weights.items()}
    return (np.abs(x) @ w["hidden.weight"] + w["hidden.bias"]) @ w["out.weight"] + w["out.bias"]


def host(array: Any) -> Any:
    return array.get() if hasattr(array, "get") else array


def test_text_runs_and_gives_what_the_formula_gives(device: str) -> None:
    net = nr.load(TEXT, device=device)
    np.testing.assert_allclose(host(net(x=X)), plain(net, X), rtol=1e-5, atol=1e-6)


def test_config_changes_the_network() -> None:
    assert nr.load(TEXT, width=7).weights["hidden.weight"].shape == (3, 7)
    with pytest.raises(nr.NetError, match=r"E0414.*wdith(.|\n)*did you mean `width`"):
        nr.load(TEXT, wdith=7)
    with pytest.raises(nr.NetError, match="E0403"):
        nr.load(TEXT, width="wide")


def test_weights_are_seeded_by_label_path() -> None:
    first, second, other = nr.load(TEXT), nr.load(TEXT), nr.load(TEXT, seed=1)
    for name, array in first.weights.items():
        np.testing.assert_array_equal(array, second.weights[name])
    assert (first.weights["hidden.weight"] != other.weights["hidden.weight"]).any()
    assert first.weights_from.seed == 0 and "random" in first.weights_from.text


def test_any_batch_and_a_batch_of_none() -> None:
    net = nr.load(TEXT)
    for batch in (0, 1, 5):
        x = np.ones((batch, 3), np.float32)
        assert net(x=x).shape == (batch, 2)


def test_taps_are_inner_values() -> None:
    net = nr.load(TEXT)
    hidden = np.maximum(X @ net.weights["hidden.weight"] + net.weights["hidden.bias"], 0)
    np.testing.assert_allclose(net.tap("act")(x=X), hidden, rtol=1e-5)
    both = net.tap("hidden", "out")(x=X)
    assert set(both) == {"hidden", "out"}
    np.testing.assert_allclose(both["out"], net(x=X))
    with pytest.raises(nr.DataInputError, match=r"E0860(.|\n)*did you mean `hidden`"):
        net.tap("hiden")


def test_a_blocks_tap_is_what_it_returns() -> None:
    net = nr.load(
        """net 1.0
        block Both(x: [B, D]) -> (low: [B, D], high: [B, D]) {
          low = x * 2
          high = low * 2
          return low, high
        }
        block Same(x: [B, D]) { return x }
        model M(x: f32[B, 3]) {
          low, high = x -> both: Both
          return (low -> same: Same) + high
        }"""
    )
    np.testing.assert_array_equal(net.tap("both")(x=X), 2 * X)
    np.testing.assert_array_equal(net.tap("same")(x=X), 2 * X)


def test_a_network_moves_to_a_device_by_name() -> None:
    net = nr.load(TEXT)
    assert net.to("cpu").device.name == "cpu" and net.to(net.device).weights is net.weights
    with pytest.raises(nr.DeviceError, match="E0910"):
        net.to("tpu")


def test_the_graph_is_networkx_with_what_was_promised() -> None:
    graph = nr.load(TEXT).graph
    assert isinstance(graph, nx.MultiDiGraph)
    by_label = {data.label: node for node, data in graph.operators()}
    linear = by_label["hidden.linear"]
    data = graph.node(linear)
    assert data.op.name == "linear" and str(data.types[0]) == "f32[B, 4]"
    assert data.chain == (Frame("Linear", "hidden", data.chain[0].span),)
    assert data.chain[0].span.text == "Linear(width)"
    slots = {edge.slot: graph.node(source).label for source, edge in graph.edges_into(linear)}
    assert slots == {0: "x", 1: "hidden.weight", 2: "hidden.bias"}
    assert nx.is_directed_acyclic_graph(graph)


def test_a_change_of_the_graph_for_networkx_does_not_change_the_network() -> None:
    net, other = nr.load(TEXT, seed=1), nr.load(TEXT, seed=1)
    relu = next(number for number, node in net.graph.operators() if node.op.name == "relu")
    net.graph.put(relu, replace(net.graph.node(relu), op=Tanh()))
    np.testing.assert_array_equal(net.tap("act")(x=X), other.tap("act")(x=X))


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_weights_go_out_and_come_back(tmp_path: Path, suffix: str) -> None:
    net = nr.load(TEXT, seed=3)
    path = tmp_path / f"w.{suffix}"
    net.save(path)
    again = nr.load(TEXT, weights=path)
    np.testing.assert_array_equal(again(x=X), net(x=X))
    np.testing.assert_array_equal(nr.load(TEXT, weights=dict(net.weights))(x=X), net(x=X))


def test_a_map_reads_and_writes_their_names(tmp_path: Path) -> None:
    net = nr.load(TEXT, seed=3)
    path = tmp_path / "theirs.safetensors"
    net.save(path, names="theirs")
    theirs = nr.read_weights(path)
    assert set(theirs) == {"l1.w", "l1.b", "l2.w", "l2.b"}
    np.testing.assert_array_equal(theirs["l1.w"], net.weights["hidden.weight"].T)
    again = nr.load(TEXT, weights=path)
    assert again.weights_from.map == "theirs"
    for name, array in net.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)
    # cuBLAS adds in another order for a transposed matrix: two sums, of 4 and of 5 terms with the bias
    bound = 8 * np.finfo(np.float32).eps
    np.testing.assert_allclose(again(x=X), net(x=X), rtol=0, atol=bound * plain_sizes(net, X).max())
    with pytest.raises(nr.WeightsError, match="E0726"):
        nr.load(TEXT, weights=path, names="thiers")


def test_weights_that_do_not_fit_are_told_in_full() -> None:
    given = dict(nr.load(TEXT).weights)
    given["hidden.wieght"] = given.pop("hidden.weight")
    given["out.bias"] = np.zeros(3, np.float32)
    with pytest.raises(nr.WeightsError) as caught:
        nr.load(TEXT.replace("weights theirs", "weights theirs"), weights=given, names=None)
    text = str(caught.value)
    assert "hidden.weight" in text and "hidden.wieght" in text and "out.bias" in text and "3" in text


def test_threads_share_a_network() -> None:
    net = nr.load(TEXT)
    inputs = [np.full((1 + n % 5, 3), n / 10, np.float32) for n in range(40)]
    expected = [plain(net, x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda x: net(x=x), inputs))
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)


BAD_INPUTS = [
    ({}, "E0850", "needs the input `x`: f32[B, 3]"),
    ({"x": X, "z": X}, "E0850", "has no input `z`"),
    ({"x": X[0]}, "E0852", "f32[B, 3], but the array has shape [3]"),
    ({"x": np.ones((2, 4), np.float32)}, "E0852", "axis 1 is 4, not 3"),
    ({"x": X.astype(complex)}, "E0851", "complex128"),
    ({"x": X > 0}, "E0851", "is f32[B, 3], but the array holds bool[2, 3]"),
    ({"x": [[1, 2, 3], [4, 5]]}, "E0851", "not an array of numbers"),
    ({"x": "text"}, "E0851", "holds <U4[]"),
]


@pytest.mark.parametrize(("inputs", "code", "words"), BAD_INPUTS)
def test_data_that_does_not_fit_is_told_with_both_sides(
    inputs: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(nr.DataInputError) as caught:
        nr.load(TEXT)(**inputs)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_numbers_convert_only_without_loss() -> None:
    net = nr.load("net 1.0\nmodel M(i: i32[N]) { return i + 1 }")
    assert net(i=[1, 2]).tolist() == [2, 3]
    assert net(i=np.array([3], np.int64)).dtype == np.int32
    with pytest.raises(nr.DataInputError, match=r"holds 8589934592 to 8589934592, but i32 holds"):
        net(i=np.array([2**33]))
    with pytest.raises(nr.DataInputError, match="E0851"):
        net(i=np.array([1.5]))


def test_floats_out_of_range_are_refused_and_bits_are_truth_values() -> None:
    net = nr.load("net 1.0\nmodel M(x: f32[N], keep: bool[N]) { return where(keep, x, -x) }")
    assert net(x=[1, 2], keep=[0, 1]).tolist() == [-1, 2]
    with pytest.raises(nr.DataInputError, match=r"E0851.*holds values up to 1e\+300, but f32 ends at"):
        net(x=[1e300, 0], keep=[0, 1])
    with pytest.raises(nr.DataInputError, match=r"E0851.*holds 0 to 2, but bool is 0 or 1"):
        net(x=[1, 2], keep=[0, 2])


OPEN_SIZES = [
    ("x: f32[A*B], y: f32[A]", ((6,), (2,)), None),
    ("x: f32[A*B], y: f32[A]", ((7,), (2,)), "axis 0 is 7, which is not `A*B` for any integer B"),
    ("x: f32[N, M], y: f32[M//N]", ((0, 4), (1,)), "axis 0 is 1, but `M//N` has no value"),
    ("x: f32[A*B], y: f32[3]", ((6,), (3,)), "has shape [6], which leaves `A` open"),
    ("x: f32[H*H], y: f32[3]", ((9,), (3,)), "has shape [9], which leaves `H` open"),
]


@pytest.mark.parametrize(("inputs", "shapes", "words"), OPEN_SIZES)
def test_computed_sizes_are_solved_or_told(inputs: str, shapes: Any, words: str | None) -> None:
    net = nr.load(f"net 1.0\nmodel M({inputs}) {{ return relu(x) }}")
    x, y = (np.ones(shape, np.float32) for shape in shapes)
    if words is None:
        assert net(x=x, y=y).shape == x.shape
        return
    with pytest.raises(nr.DataInputError) as caught:
        net(x=x, y=y)
    assert caught.value.code == "E0852" and words in str(caught.value)


def test_sizes_must_agree_between_inputs() -> None:
    net = nr.load("net 1.0\nmodel M(a: f32[B, N], b: f32[N, 2*N]) { return a @ b }")
    ok = net(a=np.ones((2, 3), np.float32), b=np.ones((3, 6), np.float32))
    assert ok.shape == (2, 6)
    with pytest.raises(
        nr.DataInputError, match=r"axis 1 is 7, not 6 \(`N\*2`\)(.|\n)*axis 1 of `a`, `N`, is 3"
    ):
        net(a=np.ones((2, 3), np.float32), b=np.ones((3, 7), np.float32))


def test_random_operators_follow_the_seed(device: str) -> None:
    net = nr.load("net 1.0\nmodel M(x: f32[B, 8]) { return x + normal([8]) + normal([8]) }", device=device)
    x = np.zeros((1, 8), np.float32)
    first = host(net(x=x))
    np.testing.assert_array_equal(first, host(net(x=x)))
    assert (first != host(net.run({"x": x}, seed=1)["output"])).any()


def test_check_finite_names_the_line() -> None:
    net = nr.load("net 1.0\nmodel M(x: f32[B]) {\n  y = log(x)\n  return y + 1\n}")
    x = np.array([-1, 1], np.float32)
    assert np.isnan(net(x=x)).any()
    with pytest.raises(nr.DataInputError) as caught:
        net.run({"x": x}, check_finite=True)
    assert (
        "E0821" in str(caught.value) and "<text>:3:7" in str(caught.value) and "1 of 2" in str(caught.value)
    )


def test_values_an_operator_cannot_take_name_the_line() -> None:
    net = nr.load("net 1.0\nmodel M(ids: i32[B]) {\n  return ids -> words: Embedding(5, 2)\n}")
    with pytest.raises(nr.DataInputError) as caught:
        net(ids=[7])
    text = str(caught.value)
    assert "E0820" in text and "<text>:3:24" in text and "7" in text and "5" in text


BLAMED = {
    "Embedding(5, 2)": "`Embedding` got index 7 at position [0]",
    "gather(x=words)": "`gather` got index 7 at position [0]",
    "{ one_hot(5) }": "`one_hot` got index 7 at position [0]",
    "Lookup(5)": "`Embedding` got index 7 at position [0]",
}
"""Stages over ids of which one is 7, and what the message blames: what the user wrote, not what is inside."""


@pytest.mark.parametrize("stage", BLAMED)
def test_a_step_inside_a_standard_block_is_blamed_on_the_block(stage: str) -> None:
    net = nr.load(
        "net 1.0\nblock Lookup(n) = Embedding(n, 2)\n"
        f"model M(ids: i32[B], words: f32[5, 2]) {{\n  return ids -> a: {stage}\n}}"
    )
    with pytest.raises(nr.DataInputError) as caught:
        net(ids=[7], words=np.zeros((5, 2), np.float32))
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.message.startswith(BLAMED[stage])
    source = diagnostic.labels[-1]
    assert source.text == "the values of `ids`" and source.span.text == "ids"


def test_an_operator_is_named_once() -> None:
    with pytest.raises(nr.DataInputError, match="E0820]: `mean` needs at least 1 elements, but got 0"):
        nr.load("net 1.0\nmodel M(x: f32[B]) { return mean(x) }")(x=[])


def test_only_auto_may_fall_back() -> None:
    try:
        open_device("cuda")
    except nr.DeviceError as refused:
        assert refused.code == "E0911"
        with pytest.warns(UserWarning, match="running on the CPU"):
            assert nr.load(TEXT, device="auto").device.name == "cpu"
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert nr.load(TEXT, device="auto").device.name == "cuda:0"
    with pytest.raises(nr.DeviceError, match="E0910"):
        nr.load(TEXT, device="tpu")


def test_which_model_is_asked_where_there_are_several() -> None:
    text = "net 1.0\nmodel A(x: f32[B]) { return x }\nmodel C(x: f32[B]) { return -x }"
    with pytest.raises(nr.NetError, match=r"E0861.*2 models: A, C"):
        nr.load(text)
    assert nr.load(text, model="C")(x=[1.0]).tolist() == [-1.0]


def test_values_die_when_last_used() -> None:
    net = nr.load("net 1.0\nmodel M(x: f32[B]) { return x -> relu -> tanh -> exp }", engine="numpy")
    plan = net.plan({"B": 3})
    freed = [place for step in plan.steps for place in step.frees]
    assert len(freed) == len(set(freed)) == 4  # x and three inner values; the result stays
    assert not set(freed) & set(plan.results)


def test_only_what_is_wanted_is_computed() -> None:
    text = "net 1.0\nmodel M(x: f32[B]) {\n  a = exp(x)\n  b = log(x)\n  return a, b\n}"
    net = nr.load(text, engine="numpy")
    assert {step.op.name for step in net.tap("a").plan({"B": 1}).steps} == {"exp"}
    assert set(net(x=[1.0])) == {"output0", "output1"}


def test_a_missing_file_is_told() -> None:
    with pytest.raises(nr.NetError, match="E0613"):
        nr.load("nowhere.net")
    with pytest.raises(nr.NetError, match=r"E0613(.|\n)*\.\.\."):
        nr.load("net 1.0 model M(x: f32[B]) { return x } " * 20)  # text without a line break


NO_SUCH_SIZE = [
    ("zeros([N - B])", (5, 4), "E0853.*`M` assumes that N >= B, but B is 5, N is 4"),
    ("zeros([N//B])", (0, 4), "E0820.*`zeros` gets a size that divides by 0"),
    ("zeros([2**40 * N, 2**20])", (1, 2**4), r"E0820.*`zeros` cannot give .*its shape would be"),
]


@pytest.mark.parametrize(("made", "shape", "words"), NO_SUCH_SIZE)
def test_sizes_that_no_array_has_name_the_line(made: str, shape: tuple[int, ...], words: str) -> None:
    net = nr.load(f"net 1.0\nmodel M(x: f32[B, N]) {{\n  return {made}\n}}")
    with pytest.raises(nr.DataInputError, match=f"{words}(.|\\n)*<text>:3:10"):
        net(x=np.ones(shape, np.float32))


def test_weights_that_do_not_fit_in_memory_are_told() -> None:
    net = nr.load("net 1.0\nmodel M(x: f32[B, 4]) { return x -> Linear(10**15) }")
    with pytest.raises(
        nr.WeightsError,
        match=r"E0727.*weights need .* TiB of memory, but .* `linear.weight`",
    ):
        net(x=np.ones((1, 4), np.float32))


def test_results_are_the_callers_to_change() -> None:
    net = nr.load(
        """net 1.0
        model M(ids: i32[T]) {
          layer words = Embedding(3, 2)
          y = ids -> words
          return y, ids, words.weight, transpose(words.weight, [1, 0])
        }"""
    )
    ids = np.array([0, 2], np.int32)
    before = {name: array.copy() for name, array in net.weights.items()}
    for result in net(ids=ids).values():
        result[...] = 7
    assert ids.tolist() == [0, 2]
    np.testing.assert_array_equal(net.weights["words.weight"], before["words.weight"])


BF16 = """net 1.0
cell Rounds(n)(x: [B, D]) -> [B, D] { return cast(cast(x, bf16), f32) }
model Plain(x: f32[B, T, 4]) { return cast(cast(x, bf16), f32) }
model Scanned(x: f32[B, T, 4]) { return x -> scan Rounds(4) }
"""


@pytest.mark.parametrize("model", ["Plain", "Scanned"])
def test_bf16_needs_no_import_by_the_caller(model: str) -> None:
    code = (
        "import sys, netruntime as nr; text = sys.argv[1]\n"
        "print(float(nr.load(text, model=sys.argv[2])(x=[[[1.001] * 4]]).ravel()[0]))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code, BF16, model], capture_output=True, text=True, env=env)
    assert ran.stdout == "1.0\n", ran.stderr


def test_check_finite_sees_bf16() -> None:
    net = nr.load("net 1.0\nmodel M(x: f32[B]) { return log(cast(x, bf16)) }")
    with pytest.raises(nr.DataInputError, match="E0821"):
        net.run({"x": [-1.0]}, check_finite=True)


@pytest.mark.parametrize(
    ("shape", "help"),
    [
        ((2, 28, 28), "add the axis of size 1: numpy.expand_dims(image, 1)"),
        ((1, 28, 28), "add the axis of size 1: numpy.expand_dims(image, 0)"),
        ((2, 1, 1, 28, 28), "remove the axis of size 1: numpy.squeeze(image, 1)"),
        ((28, 28), "give it 4 axes"),
        ((2, 27, 28), "give it 4 axes"),
    ],
)
def test_an_array_of_another_rank_gets_the_axis_that_is_missing(shape: tuple[int, ...], help: str) -> None:
    net = nr.load("net 1.0\nmodel M(image: f32[B, 1, 28, 28]) { return image }\n")
    with pytest.raises(nr.NetError) as refused:
        net(image=np.zeros(shape, np.float32))
    assert (refused.value.code, refused.value.diagnostics[0].help) == ("E0852", help)


@pytest.mark.parametrize(
    ("shape", "help"),
    [
        ((2, 8, 6, 3), "the channels come first: numpy.moveaxis(image, -1, 1)"),
        ((2, 3, 6, 8), "its axes are in another order: numpy.transpose(image, (0, 1, 3, 2))"),
    ],
)
def test_images_with_their_channels_last(shape: tuple[int, ...], help: str | None) -> None:
    net = nr.load("net 1.0\nmodel M(image: f32[B, 3, 8, 6]) { return image }\n")
    with pytest.raises(nr.NetError) as refused:
        net(image=np.zeros(shape, np.float32))
    assert (refused.value.code, refused.value.diagnostics[0].help) == ("E0852", help)
    net(image=np.moveaxis(np.zeros((2, 8, 6, 3), np.float32), -1, 1))


ROWS = "net 1.0\n\nmodel M(x: f32[B, 4]) -> y: f32[B, 3] {\n  return x -> Linear(3)\n}\n"
SET = "net 1.0\n\nconfig { d: int = 4 }\n\nmodel M(x: f32[B, d]) { return x -> Linear(3) }\n"


def test_another_width_gets_the_declaration_of_the_array_and_the_place_of_the_size() -> None:
    with pytest.raises(nr.NetError) as refused:
        nr.load(ROWS).run({"x": np.zeros((2, 5), np.float32)})
    (problem,) = refused.value.diagnostics
    assert problem.help == "give axis 1 of `x` the size 4, or declare `x: f32[B, 5]`"
    size = problem.labels[1]
    assert (size.span.text, size.span.line, size.text) == ("4", 3, "4 is set here")
    nr.load(ROWS.replace("x: f32[B, 4]", "x: f32[B, 5]")).run({"x": np.zeros((2, 5), np.float32)})


def test_a_width_of_the_config_gets_the_setting() -> None:
    with pytest.raises(nr.NetError) as refused:
        nr.load(SET).run({"x": np.zeros((2, 5), np.float32)})
    (problem,) = refused.value.diagnostics
    setting = "set the entry of `config`: `load(.., d=5)` or `--set d=5`"
    assert problem.help == f"give axis 1 of `x` the size 4, or {setting}"
    assert (problem.labels[1].span.text, problem.labels[1].span.line) == ("d", 3)
    nr.load(SET, d=5).run({"x": np.zeros((2, 5), np.float32)})


def test_columns_that_are_rows_get_the_transposition() -> None:
    x = np.zeros((4, 2), np.float32)
    with pytest.raises(nr.NetError) as refused:
        nr.load(ROWS).run({"x": x})
    help = refused.value.diagnostics[0].help
    assert help == "its axes are in another order: numpy.transpose(x, (1, 0))"
    nr.load(ROWS).run({"x": np.transpose(x, (1, 0))})
