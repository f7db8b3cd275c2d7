"""The statistics of batches that a loss is computed from, so that several batches count as one."""
