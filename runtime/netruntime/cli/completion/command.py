"""`netrun completion`: prints shell completion scripts."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Examples (each in the shell's own start-up file):
      eval "$(netrun completion bash)"               ~/.bashrc
      eval "$(netrun completion zsh)"                ~/.zshrc
      netrun completion fish | source                ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    shell_class = get_completion_class(shell)
    assert shell_class is not None, "click knows bash, zsh and fish"
    script = shell_class(ctx.find_root().command, {}, "netrun", "_NETRUN_COMPLETE")
    click.echo(script.source())
