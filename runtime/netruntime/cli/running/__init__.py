"""The parts of `netrun run`: reading inputs, telling outputs, and saving them."""
