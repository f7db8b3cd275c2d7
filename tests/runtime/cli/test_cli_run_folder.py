"""The folder of a run is complete: it works after the files it came from have moved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from netruntime.cli.app import cli

FILES = {
    "p.net": """net 1.0
import "lib/a.net"
model P(x: f32[B, 1, 4, 4]) -> logits: f32[B, 2] { return x -> A }
train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  optimizer = sgd(lr=0.05)
  epochs = 2
}
""",
    "lib/a.net": 'net 1.0\nimport "deep/b.net" as b\nblock A(x: [B, *D]) -> [B, 2] { return x -> b.Last }\n',
    "lib/deep/b.net": "net 1.0\nblock Last(x: [B, *D]) -> [B, 2] { return x -> flatten -> Linear(2) }\n",
}


def done(*words: object) -> str:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_text(text)
    rng = np.random.default_rng(0)
    np.savez("d.npz", x=rng.random((8, 1, 4, 4), np.float32), label=np.arange(8) % 2)
    done("train", "source/p.net", "--data", "d.npz", "--out", "run", "--plain")
    (tmp_path / "source").rename(tmp_path / "gone")
    (tmp_path / "run").rename(tmp_path / "moved")
    return tmp_path


def test_a_run_works_without_its_source(moved: Path) -> None:
    for name in ("lib/a.net", "lib/deep/b.net"):
        assert (moved / "moved" / name).read_text() == FILES[name]
    file = "moved/p.net"
    done("predict", file, "--data", "d.npz", "--out", "p.npy")
    np.save("x.npy", np.load("d.npz")["x"])
    done("run", file, "--input", "x.npy", "--save", "r.npy")
    assert np.allclose(np.load("p.npy"), np.load("r.npy"), atol=1e-6)
    done("eval", file, "--data", "d.npz")
    done("train", file, "--data", "d.npz", "--out", "moved", "--resume", "--epochs", "4", "--plain")


def test_one_picture_is_saved_by_its_name(moved: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((4, 4), np.uint8)).save("cat.png")
    done("run", "moved/p.net", "--input", "cat.png", "--save", "one.csv")
    assert Path("one.csv").read_text().splitlines()[1].startswith("cat.png,")


def test_classes_without_names_have_no_label(moved: Path) -> None:
    done("predict", "moved/p.net", "--data", "d.npz", "--out", "p.jsonl", "--top", "1")
    (top,) = json.loads(Path("p.jsonl").read_text().splitlines()[0])["top"]
    assert set(top) == {"class", "probability"}
