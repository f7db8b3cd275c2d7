"""Campaigns on the callers of netdsl: command lines, their streams, and Python."""
