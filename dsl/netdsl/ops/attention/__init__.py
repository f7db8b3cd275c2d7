"""Attention, softmax and position encodings."""
