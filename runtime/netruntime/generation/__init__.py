"""Text and other sequences from a model, one token after another.

`generate` is the whole. `incremental` runs a model along a sequence without running its prefix again,
`sampling` chooses the next token, `beam` searches for the likeliest sequence, `roles` finds out what a
model's inputs and outputs are for, and `verify` looks whether it may be run so.
"""

from netruntime.generation.beam import BeamSearch, Hypothesis, beam_search
from netruntime.generation.decoder import Decoder
from netruntime.generation.generate import Generated, generate
from netruntime.generation.roles import Roles, find_roles
from netruntime.generation.sampling import Sampling

__all__ = [
    "BeamSearch",
    "Decoder",
    "Generated",
    "Hypothesis",
    "Roles",
    "Sampling",
    "beam_search",
    "find_roles",
    "generate",
]
