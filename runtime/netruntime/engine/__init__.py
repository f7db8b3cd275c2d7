"""What runs a model: binding sizes, planning, executing, and the loaded network."""
