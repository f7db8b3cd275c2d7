"""`netrun run`: inputs, outputs, and what it says when they do not fit."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import PAIR, ROOT, SCORES, netrun, netrun_json, write

import netruntime as nr
from netruntime.cli.run.results import is_probability

LENET = ROOT / "examples" / "lenet5.net"
PERCEPTRON = ROOT / "examples" / "mlp.net"


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    return write(tmp_path, "scores.net", SCORES)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    return write(tmp_path, "pair.net", PAIR)


@pytest.fixture
def x(tmp_path: Path) -> Path:
    """`x` for SCORES: [[1, 3, 2], [0, 0, 0]]."""
    return write(tmp_path, "x.json", "[[1, 3, 2], [0, 0, 0]]")


class TestOutputs:
    def test_the_table_tells_type_range_and_values(self, scores: Path, x: Path) -> None:
        head, _, row = netrun("run", scores, "--input", x).stdout.splitlines()
        assert head.split() == ["output", "type", "min", "mean", "max", "first", "values"]
        assert row.split() == ["logits", "f32[2,", "3]", "0", "1", "3", *"132000"]

    def test_json_has_every_value(self, scores: Path, x: Path) -> None:
        document = netrun_json("run", scores, "--input", x)
        assert document["ok"] is True and document["device"] == "cpu" and document["model"] == "Scores"
        logits = document["outputs"]["logits"]
        assert logits["values"] == [[1, 3, 2], [0, 0, 0]]
        assert (logits["type"], logits["min"], logits["mean"], logits["max"]) == ("f32[2, 3]", 0, 1, 3)

    def test_values_are_those_of_the_library(self, tmp_path: Path) -> None:
        image = np.random.default_rng(1).random((2, 1, 28, 28), dtype=np.float32)
        np.save(tmp_path / "image.npy", image)
        document = netrun_json("run", LENET, "--input", tmp_path / "image.npy", "-w", "random", "--seed", 3)
        expected = nr.load(LENET, seed=3)(image=image)
        assert np.allclose(document["outputs"]["logits"]["values"], expected, rtol=0, atol=1e-7)

    def test_large_outputs_stay_out_of_json(self, pair: Path) -> None:
        document = netrun_json(
            "run", pair, "-i", "image=ones", "-i", "mask=ones", "--size", "H=100", "--size", "W=34"
        )
        outputs = document["outputs"]
        assert outputs["masked"]["values"] is None and outputs["masked"]["mean"] == 1
        assert outputs["size"]["values"] == [1]

    def test_nan_is_null_in_json(self, scores: Path) -> None:
        result = netrun("run", scores, "-i", "-", "--allow-nonfinite", "--json", input="[[1, NaN, Infinity]]")
        logits = json.loads(result.stdout, parse_constant=pytest.fail)["outputs"]["logits"]
        assert logits["values"] == [[1, None, None]] and logits["nonfinite"] == 2 and logits["max"] == 1

    def test_nan_is_told_under_the_table(self, scores: Path) -> None:
        result = netrun("run", scores, "-i", "-", "--allow-nonfinite", input="[[1, 2, NaN]]")
        assert "`logits` holds NaN or infinity: 1 value" in result.stdout

    def test_taps_follow_the_outputs(self, scores: Path, x: Path, tmp_path: Path) -> None:
        write(tmp_path, "scores.net", SCORES.replace("gain: float = 1.0", "gain: float = -1.0"))
        outputs = netrun_json("run", scores, "-i", x, "--tap", "multiply")["outputs"]
        assert outputs["multiply"]["values"][0] == [-1, -3, -2]
        assert outputs["logits"]["values"][0] == [0, 0, 0]

    def test_set_reaches_the_model(self, scores: Path, x: Path) -> None:
        document = netrun_json("run", scores, "-i", x, "--set", "gain=2")
        assert document["outputs"]["logits"]["values"][0] == [2, 6, 4]

    def test_equal_seeds_give_equal_numbers(self) -> None:
        runs = [netrun_json("run", LENET, "-i", "random", "--seed", n)["outputs"] for n in (1, 1, 2)]
        assert runs[0] == runs[1] != runs[2]


class TestClasses:
    def test_top_shows_values_and_softmax(self, scores: Path, x: Path, tmp_path: Path) -> None:
        labels = write(tmp_path, "labels.txt", "ant\nbee\ncat\n")
        result = netrun("run", scores, "-i", x, "--top", 2, "--labels", labels)
        assert "probability is softmax over the last axis" in result.stdout
        rows = [line.split() for line in result.stdout.splitlines()[-4:]]
        assert rows[0] == ["0", "1", "bee", "3", "66.52%"]
        assert rows[1] == ["0", "2", "cat", "2", "24.47%"]
        assert rows[2] == ["1", "0", "ant", "0", "33.33%"]

    def test_probabilities_are_left_as_they_are(self, scores: Path) -> None:
        result = netrun("run", scores, "-i", "-", "--top", 1, input="[[0.25, 0.5, 0.25]]")
        assert "its values are probabilities" in result.stdout
        assert result.stdout.splitlines()[-1].split() == ["1", "0.5", "50.00%"]

    def test_json_has_the_classes(self, scores: Path, x: Path) -> None:
        logits = netrun_json("run", scores, "-i", x, "--top", 1)["outputs"]["logits"]
        assert logits["top_is_softmax"] is True
        assert logits["top"][0]["position"] == [0]
        (best,) = logits["top"][0]["classes"]
        assert (best["index"], best["label"], best["value"]) == (1, None, 3)
        assert best["probability"] == pytest.approx(0.66524096, abs=1e-7)

    def test_labels_that_do_not_fit(self, scores: Path, x: Path, tmp_path: Path) -> None:
        result = netrun("run", scores, "-i", x, "--labels", write(tmp_path, "labels.txt", "ant\nbee\n"))
        assert result.exit_code == 3
        assert "there are 2 labels, but `logits` has 3 classes on its last axis" in result.stderr

    def test_a_model_without_classes(self, tmp_path: Path) -> None:
        path = write(tmp_path, "sum.net", "net 1.0\nmodel Sum(x: f32[B]) -> f32[] { return sum(x) }\n")
        result = netrun("run", path, "-i", "ones", "--top", 2)
        assert result.exit_code == 2
        assert (
            "--top needs an output of floats with classes on its last axis: `output` is f32[]"
            in result.stderr
        )


class TestInputs:
    def test_a_missing_input_is_told_with_type_place_and_command(self, pair: Path) -> None:
        result = netrun("run", pair, "--input", "image=ones")
        assert result.exit_code == 3
        lines = [
            "error[E0850]: `Pair` needs data for its input `mask`",
            f"{pair}:3:36",
            "^^^^ mask is f32[B, 1, H, W]",
            f"for example: netrun run {pair} --input image=ones --input mask=mask.png",
        ]
        assert all(line in result.stderr for line in lines), result.stderr

    def test_the_suggested_command_is_quoted_for_a_shell(self, pair: Path) -> None:
        result = netrun("run", pair, "--input", "image=my photo.png")
        assert f"netrun run {pair} --input 'image=my photo.png' --input mask=mask.png" in result.stderr

    def test_bare_data_where_there_are_two_inputs(self, pair: Path) -> None:
        result = netrun("run", pair, "--input", "ones")
        assert result.exit_code == 2
        assert "write --input image=ones or mask=ones" in result.stderr

    def test_an_unknown_input(self, pair: Path) -> None:
        result = netrun("run", pair, "-i", "imaeg=ones", "-i", "mask=ones")
        assert result.exit_code == 3
        assert "`Pair` has no input `imaeg`" in result.stderr and "did you mean `image`?" in result.stderr

    @pytest.mark.parametrize(
        ("inputs", "words"),
        [
            (["image=ones", "image=zeros", "mask=ones"], "`image` appears twice"),
            (["image=-", "mask=-"], "standard input can feed only one input"),
            (["image=", "mask=ones"], "the input `image` has no value"),
        ],
    )
    def test_inputs_given_wrongly(self, pair: Path, inputs: list[str], words: str) -> None:
        result = netrun("run", pair, *(part for text in inputs for part in ("-i", text)))
        assert result.exit_code == 2
        assert words in result.stderr

    def test_a_file_with_an_equals_sign_needs_no_name(self, scores: Path, tmp_path: Path) -> None:
        path = write(tmp_path, "a=b.json", "[[1, 2, 3]]")
        assert netrun("run", scores, "--input", path).exit_code == 0

    def test_made_up_inputs_take_their_sizes_from_files(self, pair: Path, tmp_path: Path) -> None:
        np.save(tmp_path / "image.npy", np.ones((2, 3, 4, 5), np.float32))
        outputs = netrun_json("run", pair, "-i", f"image={tmp_path / 'image.npy'}", "-i", "mask=zeros")[
            "outputs"
        ]
        assert outputs["masked"]["type"] == "f32[2, 3, 4, 5]"

    def test_sizes_that_nothing_settles_are_listed(self, pair: Path) -> None:
        result = netrun("run", pair, "-i", "image=ones", "-i", "mask=ones")
        assert result.exit_code == 2
        assert "`ones` needs the sizes of `H` and `W` for input `image`" in result.stderr
        assert "add --size H=32 --size W=32" in result.stderr

    def test_a_size_the_model_has_not(self, scores: Path) -> None:
        result = netrun("run", scores, "-i", "ones", "--size", "H=2")
        assert result.exit_code == 2
        assert "`Scores` has no free size `H`" in result.stderr and "it has B" in result.stderr

    @pytest.mark.parametrize("size", ["B=two", "B=-1", "B=1.5", "B=٣", "B=9999999999999999"])
    def test_sizes_that_are_no_numbers(self, scores: Path, size: str) -> None:
        result = netrun("run", scores, "-i", "ones", "--size", size)
        assert result.exit_code == 2
        assert "must be an integer of at least 0" in result.stderr

    def test_a_size_that_no_memory_holds(self, scores: Path) -> None:
        result = netrun("run", scores, "-i", "ones", "--size", "B=900000000000")
        assert result.exit_code in (3, 4)
        assert "memory" in result.stderr

    def test_bytes_of_an_array_from_standard_input(self, scores: Path) -> None:
        stream = io.BytesIO()
        np.save(stream, np.array([[1, 2, 3]], np.float32))
        result = netrun("run", scores, "-i", "-", "--json", input=stream.getvalue())
        assert json.loads(result.stdout)["outputs"]["logits"]["values"] == [[1, 2, 3]]

    def test_a_shape_that_does_not_fit(self, scores: Path) -> None:
        result = netrun("run", scores, "-i", "-", input="[[1, 2]]")
        assert result.exit_code == 3
        assert "axis 1 is 2, not 3" in result.stderr

    @pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"\x93NUMPY\x01\x00", b'[["a"]]'])
    def test_rubbish_from_standard_input(self, scores: Path, data: bytes) -> None:
        result = netrun("run", scores, "-i", "-", input=data)
        assert result.exit_code == 3
        assert result.stderr.startswith("error[E08")

    def test_image_options_reach_the_reader(self, pair: Path, tmp_path: Path) -> None:
        image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install netdsl[image]")
        image.new("RGB", (5, 4), (255, 0, 51)).save(tmp_path / "photo.png")
        options = ["--mean", "0.5,0,0", "--std", "0.5,1,2", "--json"]
        feeds = ["-i", f"image={tmp_path / 'photo.png'}", "-i", "mask=ones"]
        masked = json.loads(netrun("run", pair, *feeds, *options).stdout)["outputs"]["masked"]["values"]
        assert [plane[0][0] for plane in masked[0]] == pytest.approx([1, 0, 0.1])

    def test_a_list_of_numbers_that_is_none(self, scores: Path) -> None:
        result = netrun("run", scores, "-i", "ones", "--mean", "a,b")
        assert result.exit_code == 2
        assert "'a,b' is not a list of numbers" in result.stderr


class TestWeights:
    def test_random_weights_are_said_to_be_so(self) -> None:
        for arguments in (("run", PERCEPTRON), ("run", LENET, "-w", "random")):
            result = netrun(*arguments, "-i", "random", "--seed", 7)
            assert "note: random weights, seed 7" in result.stderr

    def test_the_weights_beside_the_example_name_digits(self) -> None:
        for digit in (0, 7):
            picture = ROOT / "examples" / "data" / f"digit-{digit}.png"
            document = netrun_json("run", LENET, "-i", picture, "--top", 1)
            (best,) = document["outputs"]["logits"]["top"][0]["classes"]
            assert best["index"] == digit and best["probability"] > 0.9

    def test_a_model_without_weights_says_nothing_of_them(self, scores: Path) -> None:
        assert netrun("run", scores, "-i", "random").stderr == ""

    def test_weights_from_a_file(self, tmp_path: Path) -> None:
        network = nr.load(LENET, seed=5)
        network.save(tmp_path / "w.safetensors")
        document = netrun_json("run", LENET, "-i", "ones", "--weights", tmp_path / "w.safetensors")
        expected = network(image=np.ones((1, 1, 28, 28), np.float32))
        assert np.allclose(document["outputs"]["logits"]["values"], expected, rtol=0, atol=1e-7)
        assert document["weights"] == str(tmp_path / "w.safetensors")

    @pytest.mark.parametrize("name", ["none.safetensors", "weights.pt", "scores.net", "."])
    def test_weights_that_are_none(self, scores: Path, tmp_path: Path, name: str) -> None:
        write(tmp_path, "weights.pt", "")
        result = netrun("run", scores, "-i", "ones", "--weights", tmp_path / name)
        assert result.exit_code == 3
        assert result.stderr.startswith("error[E07")

    def test_a_map_that_the_file_has_not(self, scores: Path, tmp_path: Path) -> None:
        nr.load(LENET).save(tmp_path / "w.npz")
        result = netrun("run", scores, "-i", "ones", "--weights", tmp_path / "w.npz", "--names", "torch")
        assert result.exit_code == 3
        assert "no weights map `torch`" in result.stderr


class TestSaving:
    def test_npz_holds_outputs_and_taps(self, scores: Path, x: Path, tmp_path: Path) -> None:
        result = netrun("run", scores, "-i", x, "--tap", "multiply", "--save", tmp_path / "out.npz")
        assert f"note: wrote {tmp_path / 'out.npz'}" in result.stderr
        with np.load(tmp_path / "out.npz") as saved:
            assert sorted(saved) == ["logits", "multiply"]
            assert saved["logits"].dtype == np.float32 and saved["logits"].tolist() == [[1, 3, 2], [0, 0, 0]]

    def test_npy_holds_one(self, scores: Path, x: Path, tmp_path: Path) -> None:
        assert netrun("run", scores, "-i", x, "--save", tmp_path / "out.npy").exit_code == 0
        assert np.load(tmp_path / "out.npy").tolist() == [[1, 3, 2], [0, 0, 0]]
        several = netrun("run", scores, "-i", x, "--tap", "multiply", "--save", tmp_path / "two.npy")
        assert several.exit_code == 2
        assert "can hold one array, but there are 2: logits, multiply" in several.stderr
        assert not (tmp_path / "two.npy").exists()

    def test_npy_keeps_a_single_number_single(self, tmp_path: Path) -> None:
        path = write(tmp_path, "sum.net", "net 1.0\nmodel Sum(x: f32[B]) -> f32[] { return sum(x) }\n")
        netrun("run", path, "-i", "ones", "--save", tmp_path / "sum.npy")
        assert np.load(tmp_path / "sum.npy").shape == ()

    def test_json_holds_types_and_values(self, scores: Path, x: Path, tmp_path: Path) -> None:
        netrun("run", scores, "-i", x, "--save", tmp_path / "out.json")
        saved = json.loads((tmp_path / "out.json").read_text())["outputs"]["logits"]
        assert saved == {"type": "f32[2, 3]", "shape": [2, 3], "values": [[1, 3, 2], [0, 0, 0]]}

    @pytest.mark.parametrize(("name", "code"), [("out.txt", 2), ("none/out.npz", 4), ("folder.npz", 4)])
    def test_targets_that_cannot_be(
        self, scores: Path, x: Path, tmp_path: Path, name: str, code: int
    ) -> None:
        (tmp_path / "folder.npz").mkdir()
        result = netrun("run", scores, "-i", x, "--save", tmp_path / name)
        assert result.exit_code == code
        assert result.stdout == ""
        assert not list(tmp_path.glob(".*"))


class TestOtherOptions:
    def test_check_finite_names_the_line(self, scores: Path) -> None:
        result = netrun(
            "run", scores, "-i", "-", "--allow-nonfinite", "--check-finite", input="[[1, 2, Infinity]]"
        )
        assert result.exit_code == 3
        assert "error[E0821]" in result.stderr and "scores.net:6:10" in result.stderr

    def test_a_label_that_is_not_there(self, scores: Path) -> None:
        result = netrun("run", scores, "-i", "ones", "--tap", "keptt")
        assert result.exit_code == 3
        assert "did you mean `kept`?" in result.stderr

    def test_auto_says_where_it_runs(self, scores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def absent(name: str, index: int) -> None:
            raise nr.DeviceError.make("E0911", "there is no GPU in this test")

        monkeypatch.setattr("netruntime.engine.backends.device._open_cuda", absent)
        result = netrun("run", scores, "-i", "ones", "--device", "auto")
        assert result.exit_code == 0
        assert "note: running on the CPU: there is no GPU in this test" in result.stderr
        asked = netrun("run", scores, "-i", "ones", "--device", "cuda")
        assert (asked.exit_code, asked.stdout) == (4, "")

    def test_an_unknown_device(self, scores: Path) -> None:
        assert netrun("run", scores, "-i", "ones", "--device", "tpu").exit_code == 4

    def test_which_of_two_models(self, tmp_path: Path) -> None:
        text = PAIR + SCORES.partition("}\n")[2].replace(" * gain", "")
        path = write(tmp_path, "two.net", text)
        unclear = netrun("run", path, "-i", "ones")
        assert unclear.exit_code == 2
        assert "the file has 2 models: Pair, Scores" in unclear.stderr
        assert netrun("run", path, "--model", "Scores", "-i", "ones").exit_code == 0

    def test_errors_are_json_too(self, scores: Path) -> None:
        document = netrun_json("run", scores)
        assert document["ok"] is False
        assert document["diagnostics"][0]["code"] == "E0850"


def test_rows_that_are_probabilities() -> None:
    rows = [([0.25, 0.75], True), ([0.2501, 0.75], True), ([0.3, 0.75], False), ([1.5, -0.5], False)]
    for row, expected in rows:
        assert is_probability(np.array([row])) is expected, row
    assert not is_probability(np.array([[0.5, 0.5], [1.0, 1.0]]))
