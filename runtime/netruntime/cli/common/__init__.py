"""What several commands share: options, failures, output, opening files."""
