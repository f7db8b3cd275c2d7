"""The sections of a file beside its models: config, weights, test and train."""
