"""Text and other sequences from a model, one token after another.

`incremental` runs a model along a sequence without running its prefix again; `sampling` chooses the next
token, `beam` searches for the likeliest sequence.
"""
