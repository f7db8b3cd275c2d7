"""Training: optimizers, schedules, clipping, averages and the loop that uses them."""
