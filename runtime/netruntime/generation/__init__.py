"""Text and other sequences from a model, one token after another.

`generate` is the entry point. `incremental` steps a model along a sequence with KV caches, `sampling` chooses
the next token, `beam` searches for the most likely sequence, `roles` identifies a model's token input and
logits output, and `verify` checks that the model is causal.
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
