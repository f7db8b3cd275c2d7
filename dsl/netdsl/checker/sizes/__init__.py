"""Sizes and axis names: type patterns, rearrangements, signatures."""
