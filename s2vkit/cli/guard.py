"""The last net: every error becomes one message and one exit code."""

from __future__ import annotations

import shlex
import traceback
from pathlib import Path
from typing import Any

import click

from s2vkit.errors import RecipeError, S2vkitError, memory_is_out

INTERRUPTED = 130


def guard(command: click.Command, args: list[str]) -> int:
    """Call a click command and give its exit code; errors are printed to stderr.

    With `--debug` among the arguments before the command, the traceback comes first.
    """
    try:
        code = command.main(args, prog_name="s2vkit", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.NoSuchOption as error:
        message = error.message.rstrip(".") + _renamed_option(error.option_name)
        click.NoSuchOption(error.option_name, message, error.possibilities, error.ctx).show()
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        return _say("interrupted" + _go_on(args), getattr(error.__cause__ or error, "exit_code", INTERRUPTED))
    except BrokenPipeError:
        from s2vkit.cli.terminal import close_stdout

        close_stdout()
        return 128 + 13  # as a process that SIGPIPE ends
    except Exception as error:
        if _debug(args):
            traceback.print_exc()
        return _say(*explain(error, args))


def explain(error: Exception, args: list[str]) -> tuple[str, int]:
    """Turn an error into its message and exit code."""
    if isinstance(error, S2vkitError):
        text = str(error)
        compiler_style = isinstance(error, RecipeError) and "\n" in error.message
        return (text if compiler_style else f"error: {text}"), error.exit_code
    from s2vkit.files import disk_is_full  # only now: it brings much in

    if disk_is_full(error):
        return f"error: No space left: {_place(error)}{_free_some(args)}", 6
    if memory_is_out(error):
        return (
            f"error: out of memory: {_first_line(error)}\n"
            "  = a smaller `batch` or `size` in the recipe needs less",
            6,
        )
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"error: {where}{error.strerror}", 4
    again = shlex.join(["s2vkit", "--debug", *[a for a in args if a != "--debug"]])
    return (
        f"error: unexpected {type(error).__name__}: {_first_line(error)}\n"
        f"  = a bug in s2vkit or in a plugin; to see all of it, run again with --debug: {again}",
        1,
    )


def _renamed_option(name: str) -> str:
    from s2vkit.recipe.old_words import OLD_OPTIONS, rename_hint

    hint = rename_hint(name, OLD_OPTIONS)
    return f": {hint}" if hint else "."


def _say(message: str, code: int) -> int:
    click.echo(message, err=True)
    return code


def _debug(args: list[str]) -> bool:
    before = args[: next((i for i, a in enumerate(args) if not a.startswith("-")), len(args))]
    return "--debug" in before


def _go_on(args: list[str]) -> str:
    if not _goes_on(args):
        return ""
    again = shlex.join(["s2vkit", *[a for a in args if a != "--fresh"]])
    where = "from the last checkpoint" if _command(args) == "run" else "where it was"
    return f"; the same command goes on {where}: {again}"


def _goes_on(args: list[str]) -> bool:
    return _command(args) in ("run", "prepare")


def _command(args: list[str]) -> str:
    return next((a for a in args if not a.startswith("-")), "")


def _place(error: Any) -> str:
    named = getattr(error, "filename", None) or getattr(error, "filename2", None)
    return str(named) if named else f"the disk that is being written to (working in {Path.cwd()})"


def _free_some(args: list[str]) -> str:
    text = "\n  = free some space"
    return text + ", then the same command goes on" if _goes_on(args) else text


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
