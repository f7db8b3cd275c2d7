"""Maps that errors propose for weights which fit a model under other names."""
