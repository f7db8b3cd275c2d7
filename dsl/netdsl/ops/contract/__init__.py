"""What every operator is: the base class and its registry, symbolic values, shared shape rules."""
