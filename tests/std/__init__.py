"""Tests of the standard library of the language by numbers."""
