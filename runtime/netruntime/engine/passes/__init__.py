"""Passes from graph to graph: rules for single nodes, a file each, and `rewrite`, which applies them."""
