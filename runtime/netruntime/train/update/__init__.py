"""One update of the weights: optimizers, schedules, clipping, averages."""
