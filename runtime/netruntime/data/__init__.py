"""Data for training and evaluation: data sets, batches, augmentation and checks."""

from netruntime.data.augment import Augment, parse_augment
from netruntime.data.batches import batch_count, batches, cut_rows
from netruntime.data.checks import compare_classes
from netruntime.data.dataset import Dataset, StreamDataset, Subset
from netruntime.data.open import DataSpec, open_data
from netruntime.data.sampler import Sampler
from netruntime.data.splitting import split
from netruntime.readers.options import DataOptions
from netruntime.readers.table import ColumnInfo
from netruntime.readers.vocabulary import Characters, Codec, make_codec

__all__ = [
    "Augment",
    "Characters",
    "Codec",
    "ColumnInfo",
    "DataOptions",
    "DataSpec",
    "Dataset",
    "Sampler",
    "StreamDataset",
    "Subset",
    "batch_count",
    "batches",
    "compare_classes",
    "cut_rows",
    "make_codec",
    "open_data",
    "parse_augment",
    "split",
]
