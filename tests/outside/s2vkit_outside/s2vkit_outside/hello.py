"""A command from outside."""

import click


@click.command()
@click.option("--loud", is_flag=True, help="Shout.")
def hello(loud: bool) -> None:
    """Greet."""
    click.echo("HELLO" if loud else "hello")
