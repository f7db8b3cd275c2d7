"""Campaigns on files: data, weights, vocabularies, and what a run leaves."""
