"""Arrays in files: element types, .npy and .npz, atomic writes."""
