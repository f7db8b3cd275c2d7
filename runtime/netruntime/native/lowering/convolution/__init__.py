"""The ways in which a convolution of images is computed: see products.py for the choice."""
