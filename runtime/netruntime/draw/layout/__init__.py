"""From a scene to coordinates: layers, then sizes and positions, and the script that folds groups."""
