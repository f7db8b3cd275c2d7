"""The state of the checker: values, the scope of a body, and the reporting of errors."""
