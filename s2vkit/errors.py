"""The errors a user can meet, each with the exit code the command ends with.

Every error says what is wrong, where, and what to do. The command line prints
the message alone; `s2vkit --debug ...` adds the traceback.
"""

from __future__ import annotations

EXIT_CODES: dict[int, str] = {
    0: "all went well",
    1: "an unexpected error: a bug in s2vkit or in a plugin (run again with --debug)",
    2: "the command line itself is wrong (unknown command or option)",
    3: "the recipe is wrong, or names a component that is not there; nothing was run",
    4: "an input file is missing or unusable (speech, video, checkpoint, corpus)",
    5: "the run folder cannot be used (not a run, another version, another recipe, in use)",
    6: "the machine ran out of something (disk, memory), or lacks an extra package",
    7: "training failed (a loss is not finite); the last good checkpoint is kept",
    10: "verify: a file has no signature, but a watermark",
    11: "verify: a file has neither signature nor watermark",
    12: "verify: a file was altered after it was signed",
    130: "interrupted by Ctrl-C; the same command goes on from the last checkpoint",
    143: "ended by TERM, as by Ctrl-C",
}


class S2vkitError(Exception):
    """Base of every error that is shown to a user as one plain message."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  = {self.hint}" if self.hint else self.message


def memory_is_out(error: BaseException) -> bool:
    """Return whether an error is a lack of memory, as Python or torch reports it."""
    names = {base.__name__ for base in type(error).__mro__}
    if names & {"MemoryError", "OutOfMemoryError"}:
        return True
    return "DefaultCPUAllocator" in str(error)  # torch on a CPU has no class for it


class RecipeError(S2vkitError):
    """The recipe cannot be run as it stands."""

    exit_code = 3


class InputError(S2vkitError):
    """A file that the user gave cannot be used."""

    exit_code = 4


class RunFolderError(S2vkitError):
    """The run folder cannot be used for what was asked."""

    exit_code = 5


class ResourceError(S2vkitError):
    """The machine lacks what the work needs: disk, memory, or a package."""

    exit_code = 6


class TrainingError(S2vkitError):
    """Training cannot continue; the last good state is kept."""

    exit_code = 7


class PluginError(S2vkitError):
    """A plugin broke the rules of registration, or its component cannot be loaded."""

    exit_code = 3
