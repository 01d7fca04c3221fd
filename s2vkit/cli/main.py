"""The command line's root: it knows every command's name and imports only the one called."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("s2vkit.cli.demo:demo", "Make a talking face with the bundled model, no training."),
    "run": ("s2vkit.cli.run:run", "Train, evaluate and render as a recipe says."),
    "sweep": ("s2vkit.cli.sweep:sweep", "Run a recipe for every combination of values: a table."),
    "runs": ("s2vkit.cli.runs:runs", "List runs: state, figures, size, age."),
    "prepare": ("s2vkit.cli.prepare:prepare", "Cut a folder of videos into a corpus of clips."),
    "inspect": ("s2vkit.cli.inspect:inspect", "Show what is in a prepared corpus."),
    "report": ("s2vkit.cli.report:report", "Write the page of a run, or of several compared."),
    "generate": ("s2vkit.cli.generate:generate", "Make a talking-face video from speech."),
    "serve": ("s2vkit.cli.serve:serve", "Serve a model: a page, an HTTP API, a WebSocket."),
    "benchmark": ("s2vkit.cli.benchmark:benchmark", "Measure how fast a model is on this machine."),
    "bundle": ("s2vkit.cli.bundle:bundle", "Package a run's model as a folder to share."),
    "export": ("s2vkit.cli.export:export", "Write a run's model for other runtimes, as ONNX."),
    "verify": ("s2vkit.cli.verify:verify", "Check whether files are marked as generated."),
    "evaluate": ("s2vkit.cli.evaluate:evaluate", "Compare the figures of finished runs."),
    "study": ("s2vkit.cli.study:study", "Compare runs by human raters, and analyse their votes."),
    "validate": ("s2vkit.cli.validate:validate", "Check recipes completely; run nothing."),
    "show": ("s2vkit.cli.show:show", "Print a resolved recipe, and where each value came from."),
    "recipes": ("s2vkit.cli.recipes:recipes", "List the package's recipes, or copy one to edit."),
    "schema": ("s2vkit.cli.schema:schema", "Print a JSON schema of recipes, for editors."),
    "list-components": ("s2vkit.cli.list_components:list_components", "List the installed components."),
    "describe": ("s2vkit.cli.describe:describe", "Describe a component and its options."),
    "weights": ("s2vkit.cli.weights:weights", "List, check and convert published weights."),
    "cache": ("s2vkit.cli.cache:cache", "Show and prune what several runs share."),
    "new-plugin": ("s2vkit.cli.new_plugin:new_plugin", "Write a small working plugin."),
    "doctor": ("s2vkit.cli.doctor:doctor", "Report what this machine has and what is missing."),
}
"""Name -> where the command lies, and its one line in the help."""

_LIGHT = {
    "validate",
    "show",
    "recipes",
    "schema",
    "list-components",
    "describe",
    "cache",
    "new-plugin",
    "runs",
}


class LazyGroup(click.Group):
    """A group that lists commands without importing them: ours, then those of plugins."""

    def summaries(self) -> dict[str, str]:
        """Return every command's name and line of help."""
        from s2vkit.plugins import registry

        added = sorted(registry().commands.values(), key=lambda c: c.name)
        ours = {name: line for name, (_, line) in COMMANDS.items()}
        return ours | {c.name: f"{c.summary} [{c.owner}]" for c in added}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names, ours first."""
        return list(self.summaries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that was called; raises PluginError if a plugin's cannot be."""
        if cmd_name not in _LIGHT:
            gc.enable()  # see main
        if cmd_name in COMMANDS:
            return _import(COMMANDS[cmd_name][0])
        from s2vkit.plugins import registry

        added = registry().commands.get(cmd_name)
        return _import_added(added) if added else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command called, or say which name is nearest."""
        if ctx.resilient_parsing or self.get_command(ctx, args[0]) is not None:
            return super().resolve_command(ctx, args)
        if args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        from s2vkit.registry import nearest

        near = nearest(args[0], self.list_commands(ctx))
        asked = f" Did you mean '{near}'?" if near else ""
        raise click.UsageError(f"No such command '{args[0]}'.{asked}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' section of the help from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries().items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands from the table alone."""
        names = [
            CompletionItem(name, help=line)
            for name, line in self.summaries().items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


def _import(target: str) -> click.Command:
    module, _, attr = target.partition(":")
    command = getattr(import_module(module), attr)
    assert isinstance(command, click.Command)
    return command


def _import_added(added: Any) -> click.Command:
    from s2vkit.errors import PluginError

    try:
        return _import(added.target)
    except Exception as error:
        raise PluginError(
            f"command '{added.name}' of {added.owner} cannot be loaded from '{added.target}': "
            f"{type(error).__name__}: {error}"
        ) from error


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from s2vkit import __version__

        click.echo(f"s2vkit {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Completion: put  eval "$(_S2VKIT_COMPLETE=bash_source s2vkit)"  into ~/.bashrc.',
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version and exit.",
)
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Generate talking-face video from speech, and train the models that do it.

    A recipe says what to train, from components that plugins provide. Start with
    `s2vkit list-components` and `s2vkit run recipes/speech2video.yaml`.
    """
    ctx.meta["s2vkit.debug"] = debug


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    gc.disable()  # collecting among fresh imports is a sixth of a light command's time
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # else it reads every package
    from s2vkit.cli.guard import guard
    from s2vkit.cli.terminal import end_on_signals, expand_homes, open_streams

    open_streams()
    end_on_signals()
    code = guard(cli, expand_homes(sys.argv[1:] if args is None else args))
    gc.freeze()  # nor is there anything to collect at the end
    sys.exit(code)
