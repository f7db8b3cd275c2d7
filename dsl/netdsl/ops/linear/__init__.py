"""Products: matrices, dense layers, einsum."""
