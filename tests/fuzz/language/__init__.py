"""Campaigns on programs: what is parsed, checked, built and run."""
