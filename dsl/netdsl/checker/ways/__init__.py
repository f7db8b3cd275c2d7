"""Ways out of errors: changes of the text tried by checking it again, for messages."""
