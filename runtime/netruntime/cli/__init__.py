"""The command `netrun`: check, run, test, show and format `.net` files.

Every command keeps its imports inside its functions, so that `netrun check` starts without NumPy.
"""

__all__ = ["main"]


def main() -> None:
    """The entry point of the console script. Ends the process with the exit code."""
    from netruntime.cli.app import cli

    cli.main()
