"""Weights in files: safetensors (sharded too) and npz, name maps, and matching to a model."""
