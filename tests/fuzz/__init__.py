"""Hostile inputs, made at random: whatever is read, the result is `NetError` or a right value, and soon.

A campaign is a module in a folder here with `trial(random) -> str`, which makes one input, uses it and
returns what became of it ("refused", "checked"), and with `SHORT`, the number of trials in `make test`. An
exception that leaves `trial` is a fault. `make fuzz` runs each campaign for a minute; see `__main__`.
"""
