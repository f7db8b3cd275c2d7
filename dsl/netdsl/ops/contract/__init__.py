"""The definition of operators: the base class and its registry, symbolic values, shared shape rules."""
