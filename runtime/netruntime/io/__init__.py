"""Reading and writing arrays: weights files, name maps, and the data that models are given."""

from netruntime.io.batches import Batch, read_batches
from netruntime.io.input_spec import ImageOptions, InputOptions, InputSpec, TextOptions
from netruntime.io.inputs import read_input
from netruntime.io.match import WeightMatch, match_weights
from netruntime.io.namemap import NameMap
from netruntime.io.renamed import read_renamed, write_renamed
from netruntime.io.text import Tokens, tokenize
from netruntime.io.weight_file import WeightFile
from netruntime.io.weights import read_weights, write_weights

__all__ = [
    "Batch",
    "ImageOptions",
    "InputOptions",
    "InputSpec",
    "NameMap",
    "TextOptions",
    "Tokens",
    "WeightFile",
    "WeightMatch",
    "match_weights",
    "read_batches",
    "read_input",
    "read_renamed",
    "read_weights",
    "tokenize",
    "write_renamed",
    "write_weights",
]
