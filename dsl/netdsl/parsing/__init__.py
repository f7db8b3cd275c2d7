"""From text to a syntax tree: layout, grammar, tree, and syntax errors."""
