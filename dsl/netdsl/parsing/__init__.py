"""From text to a syntax tree: layout, grammar, tree, and what to say where it fails."""
