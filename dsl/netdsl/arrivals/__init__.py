"""Calls written as in PyTorch, Keras, Flax or NumPy, and what they are in this language."""
