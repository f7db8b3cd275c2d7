"""What the checker carries: values, the scope of a body, and how it reports."""
