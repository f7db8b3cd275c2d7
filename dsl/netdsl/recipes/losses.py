"""The valid values of the options of the losses.

A loss is a block in `netdsl/std/losses.net`, which has its options and their defaults.
"""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.recipes.limits import COSINE, COUNT, FRACTION, INTEGER, NOT_NEGATIVE, POSITIVE, Limit

LOSSES: Mapping[str, Mapping[str, Limit]] = {
    "cross_entropy": {"smoothing": FRACTION, "ignore": INTEGER},
    "nll": {"ignore": INTEGER},
    "binary_cross_entropy": {},
    "mse": {},
    "l1": {},
    "huber": {"delta": POSITIVE},
    "kl_divergence": {},
    "hinge": {"margin": NOT_NEGATIVE},
    "cosine": {"margin": COSINE},
    "triplet": {"margin": NOT_NEGATIVE},
    "contrastive": {"margin": NOT_NEGATIVE, "temperature": POSITIVE},
    "ctc": {"blank": COUNT},
}
"""The limits of each loss's options by name; without one, the declaration in the block decides."""
