"""Augmentation: what each step does, and that it is a function of seed, epoch and row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from data_inputs import wants

from netruntime.data import Augment, DataOptions, batches, open_data, parse_augment
from netruntime.data.sampler import uniform
from netruntime.errors import DataInputError
from netruntime.readers.options import LabelSpec

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.random((64, 2, 5, 6), np.float32)
DATASET = open_data(
    {"image": PICTURES, "label": np.arange(64)}, wants(image="f32[B, 2, 5, 6]", label="i32[B]")
)
INDICES = np.arange(64)


def augmented(
    text: str, *, epoch: int = 0, seed: int = 0, indices: Any = INDICES, dataset: Any = DATASET
) -> Any:
    rows = dataset.rows(indices)
    return parse_augment(text).fitted(dataset)(rows, dataset.columns, indices, epoch, seed)["image"]


@pytest.mark.parametrize(("text", "axis"), [("flip", -1), ("vflip", -2)])
def test_flip(text: str, axis: int) -> None:
    made = augmented(text)
    flipped = [np.array_equal(made[n], np.flip(PICTURES[n], axis)) for n in INDICES]
    same = [np.array_equal(made[n], PICTURES[n]) for n in INDICES]
    assert all(f != s for f, s in zip(flipped, same, strict=True)) and 16 < sum(flipped) < 48


def test_steps_draw_by_themselves() -> None:
    made = augmented("flip,vflip")
    ways: list[tuple[int, ...]] = [(), (-1,), (-2,), (-1, -2)]
    kinds = [
        [np.array_equal(made[n], np.flip(PICTURES[n], axes)) for axes in ways].index(True) for n in INDICES
    ]
    assert min(np.bincount(kinds, minlength=4)) > 4


@pytest.mark.parametrize(("text", "mode"), [("crop=2", "constant"), ("shift=2", "edge")])
def test_crop_and_shift(text: str, mode: Any) -> None:
    made = augmented(text)
    padded = np.pad(PICTURES, ((0, 0), (0, 0), (2, 2), (2, 2)), mode=mode)
    places = []
    for n in INDICES:
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if np.array_equal(made[n], padded[n, :, y : y + 5, x : x + 6])
        ]
        assert found, n
        places.append(found[0])
    assert len(set(places)) > 15


def test_normalise_uses_the_training_data() -> None:
    made = augmented("normalise")
    np.testing.assert_allclose(made.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(made.std((0, 2, 3)), 1, atol=1e-5)
    fitted = parse_augment("flip,normalise").fitted(DATASET)
    again = parse_augment(str(fitted))
    assert again == fitted and str(fitted).startswith("flip,normalise=0.")
    assert str(fitted.for_evaluation()) == str(fitted).removeprefix("flip,")
    given = augmented("normalise=0.5|0.25/2|4")
    mean, std = np.array([0.5, 0.25]).reshape(2, 1, 1), np.array([2, 4]).reshape(2, 1, 1)
    np.testing.assert_allclose(given, (PICTURES - mean) / std, rtol=1e-5)


def test_a_row_depends_on_seed_epoch_and_number_alone() -> None:
    text = "flip,crop=1,shift=1"
    whole = augmented(text, epoch=3, seed=9)
    some = RANDOM.permutation(64)[:7]
    np.testing.assert_array_equal(augmented(text, epoch=3, seed=9, indices=some), whole[some])
    assert not np.array_equal(augmented(text, epoch=4, seed=9), whole)
    assert not np.array_equal(augmented(text, epoch=3, seed=8), whole)


def test_batches_resume_bit_for_bit() -> None:
    augment = parse_augment("flip,crop=1,normalise").fitted(DATASET)
    whole = [b["image"] for b in batches(DATASET, 10, epoch=2, seed=1, augment=augment)]
    rest = [
        b["image"] for b in batches(DATASET, 10, epoch=2, seed=1, augment=augment, start_batch=3, prefetch=2)
    ]
    assert len(rest) == 4
    for a, b in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(a, b)


def test_flat_pictures_and_masks_go_along() -> None:
    masks = (PICTURES[:, 0] * 100).astype(np.int64)
    want = wants(image="f32[B, 30]", mask="i32[B, 5, 6]")
    dataset = open_data({"image": PICTURES[:, 0], "mask": masks}, want)
    rows = dataset.rows(INDICES)
    made = parse_augment("flip,shift=1,normalise=0/2")(rows, dataset.columns, INDICES, 0, 0)
    np.testing.assert_array_equal(made["mask"], (made["image"].reshape(64, 5, 6) * 2 * 100).astype(np.int64))


def test_nothing_is_changed_in_place() -> None:
    before = PICTURES.copy()
    augmented("flip,crop=2,normalise")
    np.testing.assert_array_equal(PICTURES, before)
    assert Augment()({"x": before}, {}, INDICES, 0, 0)["x"] is before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("flop", "did you mean `flip`?"),
        ("crop", "`crop` needs a number of pixels, but has none"),
        ("crop=-1", "has `-1`"),
        ("flip=3", "takes no value"),
        ("normalise=0.5", "not a mean and a standard deviation"),
        ("normalise=0/0", "not a mean and a standard deviation"),
        ("normalise=a/b", "not a mean and a standard deviation"),
        ("rotate=3", "the steps are flip, vflip, crop, shift, normalise"),
    ],
)
def test_steps_that_do_not_exist(text: str, told: str) -> None:
    with pytest.raises(DataInputError) as failed:
        parse_augment(text)
    assert failed.value.code == "E0835" and told in str(failed.value)


def test_no_pictures() -> None:
    dataset = open_data({"x": np.zeros((3, 4))}, wants(x="f32[B, 4]"))
    for text in ("flip", "normalise"):
        with pytest.raises(DataInputError, match="E0836"):
            list(batches(dataset, 2, augment=parse_augment(text).fitted(dataset)))
    with pytest.raises(DataInputError, match="3 means, but the images have 2"):
        augmented("normalise=1|2|3/1|1|1")


def test_uniform_numbers() -> None:
    numbers = uniform(1, 2, np.arange(20000), 0)
    assert numbers.min() >= 0 and numbers.max() < 1
    counts = np.histogram(numbers, 20, (0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8, "chi-squared with 19 degrees, 0.1%"
    others = uniform(1, 2, np.arange(20000), 1)
    assert abs(np.corrcoef(numbers, others)[0, 1]) < 0.03


def test_masks_of_classes_are_not_mixed_and_get_the_ignored_class_from_outside() -> None:
    """A crop brings in labels that do not count, and another size takes the nearest pixel."""
    mask = np.array([[[0, 3], [3, 7]]], np.uint8).repeat(5, axis=0)
    image = np.zeros((5, 1, 2, 2), np.uint8)
    wanted = wants(image="f32[B, 1, 2, 2]", label="i32[B, 2, 2]")
    options = DataOptions(label_specs={"label": LabelSpec(ignore=255, pad=255)})
    dataset = open_data({"image": image, "label": mask}, wanted, options)
    batch = next(iter(batches(dataset, 5, augment=parse_augment("crop=2"), shuffle=False)))
    assert set(np.unique(batch["label"])) <= {0, 3, 7, 255}
    assert (batch["label"] == 255).any()
    larger = wants(image="f32[B, 1, 4, 4]", label="i32[B, 4, 4]")
    options = DataOptions(resize="stretch", label_specs={"label": LabelSpec(ignore=255, pad=255)})
    rows = open_data({"image": image, "label": mask}, larger, options).rows([0])
    assert rows["label"].tolist() == [[[0, 0, 3, 3], [0, 0, 3, 3], [3, 3, 7, 7], [3, 3, 7, 7]]]
