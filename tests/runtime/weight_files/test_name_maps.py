"""Name maps: templates, rules both ways, and arrays joined, cut and transposed through them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdsl.source import Source
from netruntime.errors import WeightsError
from netruntime.files.arrays import ArrayInfo
from netruntime.weight_files.match import match_weights
from netruntime.weight_files.namemap import NameMap
from netruntime.weight_files.renamed import RenamedWeights, read_renamed, write_renamed
from netruntime.weight_files.rules import RuleParts
from netruntime.weight_files.template import parse_template


def rule(theirs: str, ours: str | None, *modifiers: str) -> RuleParts:
    return tuple(theirs.split(" + ")), ours, modifiers


RESNET = NameMap(
    [
        rule("conv1.*", "stem.conv.*"),
        rule("layer{s+1}.{j}.conv1.*", "stage.{s}.{j}.a.conv.*"),
        rule("layer{s+1}.{j}.downsample.0.*", "stage.{s}.{j}.down.conv.*"),
        rule("*.num_batches_tracked", None),
        rule("head{i}.*", "aux.{i+2}.*", "transpose"),
    ]
)


def renamed(names: NameMap, theirs: str) -> Any:
    result = names.to_ours([theirs])
    return next(iter(result.origins), None)


def refusal(*rules: Any) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        NameMap(rules)
    return caught.value


# -- templates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "name", "numbers", "texts"),
    [
        ("a.b", "a.b", {}, ()),
        ("a.b", "a.bc", None, None),
        ("a.b", "axb", None, None),
        ("layer{s+1}.w", "layer4.w", {"s": 3}, ()),
        ("layer{s+1}.w", "layer0.w", None, None),
        ("layer{s-2}.w", "layer0.w", {"s": 2}, ()),
        ("layer{s}.w", "layer01.w", None, None),
        ("layer{s}.w", "layer.w", None, None),
        ("layer{s}.w", "layer1234567890.w", None, None),
        ("{s}.{s}", "12.12", {"s": 12}, ()),
        ("{s}.{s}", "1.12", None, None),
        ("{s}.{s+1}", "3.4", {"s": 3}, ()),
        ("{s}.{s+1}", "3.5", None, None),
        ("x{s}0", "x10", {"s": 1}, ()),
        ("*", "any.thing", {}, ("any.thing",)),
        ("a.*", "a.", {}, ("",)),
        ("*.w", "a.w.w", {}, ("a.w",)),
        ("*.a.*", "x.a.y.a.z", {}, ("x", "y.a.z")),
        ("*.{i}.*.b", "p.x.1.q.2.b", {"i": 1}, ("p.x", "q.2")),
        ("*.a.*.c", "n.a.m.c", {}, ("n", "m")),
    ],
)
def test_what_the_holes_stand_for(template: str, name: str, numbers: Any, texts: Any) -> None:
    captures = parse_template(template).match(name)
    assert (captures and dict(captures.numbers), captures and captures.texts) == (numbers, texts)
    if captures:
        assert parse_template(template).render(captures) == name


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "a name template is empty"),
        ("a.{i", "`a.{i` has a `{` without its partner"),
        ("a.i}", "`a.i}` has a `}` without its partner"),
        ("a.{}", "`{}` in `a.{}` is not `{name}`, `{name+1}` or `{name-1}`"),
        ("a.{i*2}", "`{i*2}` in `a.{i*2}` is not `{name}`, `{name+1}` or `{name-1}`"),
        ("a.{2}", "`{2}` in `a.{2}` is not `{name}`, `{name+1}` or `{name-1}`"),
        ("a.{{i}}", "`a.{{i}}` has a `{` without its partner"),
        ("a{i}{j}", "`a{i}{j}` has two holes side by side, so names could be split in several ways"),
        ("a**", "`a**` has two holes side by side, so names could be split in several ways"),
        ("a*{i}", "`a*{i}` has two holes side by side, so names could be split in several ways"),
        ("*." * 9, f"`{'*.' * 9}` has more than 8 `*` or 16 numbers"),
    ],
)
def test_bad_templates(template: str, message: str) -> None:
    error = refusal(rule(template, "x"))
    assert (error.code, error.diagnostics[0].message) == ("E0731", message)


def test_matching_a_hostile_name_is_quick() -> None:
    template = parse_template("*a*a*a*a*a*a*a*b")
    started = time.perf_counter()
    assert template.match("a" * 20_000) is None
    assert time.perf_counter() - started < 2


@given(st.text("ab.{}*+-1", max_size=12))
def test_any_text_is_a_template_or_an_error(text: str) -> None:
    try:
        template = parse_template(text)
    except WeightsError as error:
        assert error.code == "E0731"
    else:
        assert template.match("a.1") is None or template.stars or template.variables or text == "a.1"


# -- rules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv1.weight", "stem.conv.weight"),
        ("layer1.0.conv1.weight", "stage.0.0.a.conv.weight"),
        ("layer4.12.downsample.0.bias", "stage.3.12.down.conv.bias"),
        ("head0.w", "aux.2.w"),
    ],
)
def test_names_go_both_ways(theirs: str, ours: str) -> None:
    assert renamed(RESNET, theirs) == ours
    assert list(RESNET.to_theirs([ours])) == [theirs]


def test_names_left_out_passed_through_and_unmatched() -> None:
    result = RESNET.to_ours(["layer1.0.bn.num_batches_tracked", "fc.w", "layer1.0.conv2.w", "zzz"], {"fc.w"})
    assert result.ignored == ("layer1.0.bn.num_batches_tracked",)
    assert list(result.origins) == ["fc.w"] and result.origins["fc.w"].rule is None
    assert {name: str(near) for name, near in result.unmatched.items()} == {
        "layer1.0.conv2.w": '"layer{s+1}.{j}.conv1.*" => "stage.{s}.{j}.a.conv.*"',
        "zzz": "None",
    }


def test_a_rule_that_would_make_a_negative_number_does_not_match() -> None:
    names = NameMap([rule("a{i}", "b{i-1}"), rule("a0", "first")])
    assert (renamed(names, "a1"), renamed(names, "a0")) == ("b0", "first")
    assert list(names.to_theirs(["b0", "first"])) == ["a1", "a0"]


def test_the_first_matching_rule_wins() -> None:
    names = NameMap([rule("a.w", "special"), rule("a.*", "x.*")])
    assert (renamed(names, "a.w"), renamed(names, "a.b")) == ("special", "x.b")


VARIABLES = st.integers(0, 120)
LEAF = st.sampled_from(["weight", "bias", "running.mean", "1", "conv1.weight"])


@given(VARIABLES, VARIABLES, LEAF, st.integers(0, 3))
def test_theirs_to_ours_to_theirs(s: int, j: int, leaf: str, which: int) -> None:
    theirs = [
        f"conv1.{leaf}",
        f"layer{s + 1}.{j}.conv1.{leaf}",
        f"layer{s + 1}.{j}.downsample.0.{leaf}",
        f"head{j}.{leaf}",
    ][which]
    ours = renamed(RESNET, theirs)
    assert ours != theirs
    assert list(RESNET.to_theirs([ours])) == [theirs]


TEMPLATE_PARTS = st.lists(st.sampled_from(["a", "b.", ".", "{i}", "{i+1}", "{k}", "*", "0"]), max_size=6)


@given(TEMPLATE_PARTS.map("".join), TEMPLATE_PARTS.map("".join), st.lists(st.text("ab.01", max_size=6)))
def test_whatever_is_written_reads_back(theirs: str, ours: str, names: list[str]) -> None:
    """Rules of any form either refuse a name of ours, or write it so that it comes back."""
    try:
        mapped = NameMap([rule(theirs, ours), rule("a.*", "b.*")])
    except WeightsError:
        return
    for name in names:
        try:
            (written,) = mapped.to_theirs([name])
        except WeightsError as error:
            assert error.code == "E0737"
        else:
            assert list(mapped.to_ours([written], {name}).origins) == [name]


def test_a_name_that_would_read_back_as_another_is_refused() -> None:
    names = NameMap([rule("a.w", "x.q"), rule("a.*", "x.*")])
    with pytest.raises(WeightsError) as caught:
        names.to_theirs(["x.w"])
    assert (caught.value.code, caught.value.diagnostics[0].message) == (
        "E0737",
        "`x.w` has no name in the checkpoint: the rules write it as `a.w`, and `a.w` reads back as `x.q`",
    )
    with pytest.raises(WeightsError) as caught:
        names.to_theirs(["a.z"])
    assert caught.value.diagnostics[0].message == (
        "`a.z` has no name in the checkpoint: no rule writes it, and `a.z` reads back as `x.z`"
    )


def test_two_of_theirs_may_not_become_one_of_ours() -> None:
    names = NameMap([rule("a.*", "x.*"), rule("b.*", "x.*")])
    with pytest.raises(WeightsError) as caught:
        names.to_ours(["a.w", "b.w"])
    assert (caught.value.code, caught.value.diagnostics[0].message) == (
        "E0735",
        "`a.w` and `b.w` of the checkpoint both become `x.w`",
    )


@pytest.mark.parametrize(
    ("rules", "code", "message"),
    [
        (
            [rule("a", "b", "flip")],
            "E0732",
            'the rule for "a" knows no `flip`: a rule may say `transpose`, once',
        ),
        (
            [rule("a", "b", "transpose", "transpose")],
            "E0732",
            'the rule for "a" gives `transpose` twice: a rule may say `transpose`, once',
        ),
        (
            [rule("a", None, "transpose")],
            "E0732",
            'the rule for "a" leaves it out, so there is nothing to transpose',
        ),
        ([rule("a{i}", "b")], "E0733", "`{i}` is in `a{i}` and not in `b`"),
        ([rule("a", "b{i}")], "E0733", "`{i}` is in `b{i}` and not in `a`"),
        ([rule("a{i}", "b{i} | c")], "E0733", "`{i}` is in `a{i}` and not in `c`"),
        ([rule("a.*", "b")], "E0734", "`a.*` has 1 `*`, but `b` has 0: each needs its partner"),
        ([rule("a.*", "b.* | c.*.*")], "E0734", "`a.*` has 1 `*`, but `c.*.*` has 2: each needs its partner"),
        ([rule("a{i} + b", "c{i}")], "E0733", "`{i}` is in `a{i}` and not in `b`"),
        ([rule("a.* + b", "c.*")], "E0734", "`a.*` has 1 `*`, but `b` has 0: each needs its partner"),
        ([rule("a + a", "c")], "E0731", "`a + a` names the term `a` twice"),
        (
            [rule("a + b", None)],
            "E0739",
            'the rule for "a" leaves it out, so there is nothing to add',
        ),
        (
            [rule("a", "x"), rule("b + a", "c")],
            "E0738",
            'the rule "b" + "a" => "c" never applies: "a" => "x" comes first',
        ),
        ([rule("a", "b | ")], "E0731", "a name template is empty"),
        ([rule("a", "b | c|b")], "E0731", "`b | c|b` names the part `b` twice"),
        (
            [rule("a.*", "b.*"), rule("a.*", None)],
            "E0738",
            'the rule "a.*" => none never applies: "a.*" => "b.*" comes first',
        ),
    ],
)
def test_bad_rules(rules: Any, code: str, message: str) -> None:
    error = refusal(*rules)
    assert (error.code, error.diagnostics[0].message) == (code, message)


def test_errors_point_at_the_rule_in_the_file() -> None:
    source = Source("net.net", 'weights w {\n  "a.*" => "b.*"\n  "c{i" => "d{i}"\n}')
    spans = [source.span(14, 28), source.span(31, 46)]
    with pytest.raises(WeightsError) as caught:
        NameMap([rule("a.*", "b.*"), rule("c{i", "d{i}")], spans)
    assert str(caught.value) == (
        "error[E0731]: `c{i` has a `{` without its partner\n"
        "  --> net.net:3:3\n"
        ' 3 |   "c{i" => "d{i}"\n'
        "   |   ^^^^^^^^^^^^^^^\n"
        "   = help: write names as in `layer{i+1}.*`"
    )


# -- arrays ----------------------------------------------------------------------------------------

GPT2 = NameMap(
    [
        rule("h.{i}.attn.c_attn.*", "block.{i}.q.* | block.{i}.k.* | block.{i}.v.*"),
        rule("in_proj.*", "q.* | k.* | v.*", "transpose"),
        rule("fc.*", "head.*", "transpose"),
    ]
)


def checkpoint() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "h.0.attn.c_attn.weight": rng.normal(size=(4, 12)),
        "h.0.attn.c_attn.bias": rng.normal(size=12),
        "in_proj.weight": rng.normal(size=(6, 2)),
        "in_proj.bias": rng.normal(size=6),
        "fc.weight": rng.normal(size=(10, 4)),
        "fc.bias": rng.normal(size=10),
    }


def test_arrays_are_cut_and_transposed_and_come_back() -> None:
    theirs = checkpoint()
    ours = read_renamed(theirs, GPT2, ())
    np.testing.assert_array_equal(ours["block.0.k.weight"], theirs["h.0.attn.c_attn.weight"][:, 4:8])
    np.testing.assert_array_equal(ours["block.0.v.bias"], theirs["h.0.attn.c_attn.bias"][8:])
    np.testing.assert_array_equal(ours["k.weight"], theirs["in_proj.weight"][2:4].T)
    np.testing.assert_array_equal(ours["head.weight"], theirs["fc.weight"].T)
    np.testing.assert_array_equal(ours["head.bias"], theirs["fc.bias"])
    for name, array in ours.items():
        assert ours.describe(name).shape == array.shape
    back = write_renamed(ours, GPT2)
    assert set(back) == set(theirs)
    for name in theirs:
        np.testing.assert_array_equal(back[name], theirs[name], strict=True)


def test_a_cut_that_is_not_whole_is_refused() -> None:
    for shape, reason in (
        ((4, 10), "f64[10, 4] and cannot be cut into 3 equal parts: its last axis after transposing is 10"),
        ((), "f64[] and cannot be cut into 3 equal parts: it has no axes"),
    ):
        with pytest.raises(WeightsError) as caught:
            read_renamed({"in_proj.weight": np.ones(shape).T}, GPT2, ())
        assert (caught.value.code, caught.value.diagnostics[0].message) == (
            "E0736",
            f"`in_proj.weight` is {reason}",
        )


LSTM = NameMap(
    [rule("rnn.bias_ih_l{i} + rnn.bias_hh_l{i}", "layer.{i}.b"), rule("a.* + b.*", "q.* | k.*", "transpose")]
)


def test_sums_are_read_and_written_so_that_they_read_back() -> None:
    rng = np.random.default_rng(0)
    one, two = (rng.normal(size=6).astype("f4") for _ in range(2))
    ours = read_renamed({"rnn.bias_hh_l3": two, "rnn.bias_ih_l3": one}, LSTM, ())
    np.testing.assert_array_equal(ours["layer.3.b"], one + two, strict=True)
    assert ours.note("layer.3.b") == "from `rnn.bias_ih_l3` + `rnn.bias_hh_l3`"
    values = {"layer.0.b": np.array([1.5, -0.0, 0.0, np.inf], "f4")}
    written = write_renamed(values, LSTM)
    assert list(written) == ["rnn.bias_ih_l0", "rnn.bias_hh_l0"]
    assert read_renamed(written, LSTM, ())["layer.0.b"].tobytes() == values["layer.0.b"].tobytes()


def test_sums_are_transposed_and_cut() -> None:
    one, two = np.arange(8.0).reshape(4, 2), np.ones((4, 2))
    ours = read_renamed({"a.w": one, "b.w": two}, LSTM, ())
    np.testing.assert_array_equal(ours["k.w"], one[2:].T + 1)
    np.testing.assert_array_equal(read_renamed(write_renamed(ours, LSTM), LSTM, ())["q.w"], ours["q.w"])


@pytest.mark.parametrize(
    ("left", "right", "sum"), [("f2", "f2", "f32"), ("f2", "f4", "f32"), ("f4", "f8", "f64")]
)
def test_sums_have_the_wider_type(left: str, right: str, sum: str) -> None:
    theirs = {"rnn.bias_ih_l0": np.full(2, 1.0, left), "rnn.bias_hh_l0": np.full(2, 2.0**-12, right)}
    ours = read_renamed(theirs, LSTM, ())
    assert ours.describe("layer.0.b").dtype == sum
    assert ours["layer.0.b"][0] == 1 + 2.0**-12


@pytest.mark.parametrize(
    ("theirs", "message", "help"),
    [
        (
            {"rnn.bias_ih_l0": np.ones(2)},
            "`rnn.bias_ih_l0` and `rnn.bias_hh_l0` cannot be added: `rnn.bias_hh_l0` is not there",
            'to read what there is alone, write `"rnn.bias_ih_l{i}" => "layer.{i}.b"`',
        ),
        (
            {"rnn.bias_ih_l0": np.ones(2), "rnn.bias_hh_l0": np.ones(3)},
            "`rnn.bias_ih_l0` f64[2] and `rnn.bias_hh_l0` f64[3] cannot be added",
            "a rule adds floats of one shape",
        ),
        (
            {"rnn.bias_ih_l0": np.ones(2, int), "rnn.bias_hh_l0": np.ones(2, int)},
            "`rnn.bias_ih_l0` i64[2] and `rnn.bias_hh_l0` i64[2] cannot be added",
            "a rule adds floats of one shape",
        ),
    ],
)
def test_sums_that_cannot_be_computed(theirs: dict[str, Any], message: str, help: str) -> None:
    with pytest.raises(WeightsError) as caught:
        read_renamed(theirs, LSTM, ())
    one = caught.value.diagnostics[0]
    assert (one.code, one.message, one.help) == ("E0739", message, help)


def test_a_term_that_another_rule_reads() -> None:
    names = NameMap([rule("*.hh", None), rule("a.ih + a.hh", "b")])
    with pytest.raises(WeightsError) as caught:
        names.to_ours(["a.ih", "a.hh"])
    assert caught.value.diagnostics[0].message == (
        '`a.ih` and `a.hh` cannot be added: `a.hh` is read by "*.hh" => none'
    )
    with pytest.raises(WeightsError) as caught:
        names.to_theirs(["b"])
    assert caught.value.code == "E0737"


@pytest.mark.parametrize(
    ("rules", "expected", "help"),
    [
        (
            [rule("ih.{i}", "x.{i}.b"), rule("hh.{i}", "x.{i}.b")],
            ["x.0.b"],
            'write `"ih.{i}" + "hh.{i}" => "x.{i}.b"` in place of both',
        ),
        (
            [rule("ih.*", "x.*.b"), rule("hh.*", "x.*.b")],
            [],
            'write `"ih.0" + "hh.0" => "x.0.b"` before them',
        ),
        (
            [rule("ih.{i}", "x.{i}.b"), rule("hh.{i}", "x.{i}.b")],
            ["x.0.b", "x.0.c"],
            'no rule reads `x.0.c` of the model: if one of them is meant for it, write `"hh.0" => "x.0.c"`',
        ),
    ],
)
def test_two_sources_of_one_name_are_offered_as_a_sum(rules: Any, expected: list[str], help: str) -> None:
    with pytest.raises(WeightsError) as caught:
        NameMap(rules).to_ours(["ih.0", "hh.0"], expected)
    assert help in str(caught.value.diagnostics[0].help)


def test_parts_that_do_not_join_are_refused() -> None:
    parts = {"q.w": np.ones((2, 2)), "k.w": np.ones((2, 2)), "v.w": np.ones((2, 3))}
    with pytest.raises(WeightsError) as caught:
        write_renamed(parts, GPT2)
    assert caught.value.diagnostics[0].message == (
        "`q.w` and `v.w` do not join into `in_proj.w`: float64[2, 2] and float64[2, 3]"
    )
    del parts["v.w"]
    with pytest.raises(WeightsError) as caught:
        write_renamed(parts, GPT2)
    assert (caught.value.code, caught.value.diagnostics[0].message) == (
        "E0737",
        "`in_proj.w` joins `q.w`, `k.w`, `v.w`, but `v.w` is not among the weights",
    )


def test_a_renamed_checkpoint_is_matched_in_both_vocabularies() -> None:
    expected = {"head.weight": ((4, 10), "f32"), "head.bias": ((9,), "f32")}
    theirs = {"fc.weight": np.ones((10, 4), "f4"), "fc.bias": np.ones(10, "f4"), "fcx.w": np.ones(1, "f4")}
    weights = read_renamed(theirs, GPT2, expected)
    with pytest.raises(WeightsError) as caught:
        match_weights(expected, weights)
    assert str(caught.value) == (
        "error[E0722]: the model has no place for 1 weight of `the given weights`\n"
        '    `fcx.w` f32[1] (no rule matches it; the nearest is "fc.*" => "head.*" transpose)\n'
        '   = help: leave them out with a rule `"name" => none` in a `weights` map of the .net file\n'
        "\n"
        "error[E0723]: 1 weight in `the given weights` has a different shape than in the model\n"
        "    `head.bias` is f32[9] in the model and f32[10] as given (from `fc.bias`)"
    )


class _Counted(RenamedWeights):
    """Counts how often a weight is looked at."""

    looks = 0

    def describe(self, name: str) -> ArrayInfo:
        self.looks += 1
        return super().describe(name)


@pytest.mark.parametrize("are_exchanged", [True, False])
def test_exchanged_targets_among_many_weights_of_equal_shapes(are_exchanged: bool) -> None:
    names = NameMap([rule("up.{i}.w", "down.{i}.w"), rule("down.{i}.w", "up.{i}.w")])
    wanted = {"up": (3, 4), "down": (6, 2) if are_exchanged else (5, 5)}
    looks = []
    for count in (100, 400):
        expected = {f"{side}.{n}.w": (wanted[side], "f32") for side in wanted for n in range(count)}
        stored = {name: np.zeros((3, 4) if name.startswith("up") else (6, 2), "f4") for name in expected}
        weights = _Counted(stored, names, expected)
        with pytest.raises(WeightsError) as error:
            match_weights(expected, weights)
        (wrong,) = error.value.diagnostics
        assert wrong.code == "E0723"
        assert ("swapped" in (wrong.help or "")) is are_exchanged
        looks.append(weights.looks)
    assert looks[1] <= 4.5 * looks[0]
