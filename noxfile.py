"""Sessions for developers: `nox -s tests-3.12`, `nox -s lint`, `nox -s lowest`.

Everything is read from pyproject.toml, so that no version is said twice.
"""

from __future__ import annotations

import re
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
CONSTRAINTS = ("-c", "constraints.txt")
ISAS = {"default": "SSE41", "avx2": "AVX2"}  # what oneDNN calls the same

nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests with the pinned versions."""
    session.install(*CONSTRAINTS, "-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*CONSTRAINTS, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    session.install(*CONSTRAINTS, "-e", ".[dev]")
    session.run("mypy")


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest version of each dependency that pyproject allows."""
    pins = Path(session.create_tmp()) / "lowest.txt"
    pins.write_text("\n".join(lowest_pins()) + "\n")
    session.install("-c", str(pins), "-e", ".[test]")
    session.run("pytest", "-W", "default", *session.posargs)  # old libraries warn of new ones


@nox.session
@nox.parametrize("threads", [1, 2, 4])
@nox.parametrize("capability", ["default", "avx2", "native"])
def portable(session: nox.Session, capability: str, threads: int) -> None:
    """Run the tests as on other processors: other instruction sets, other numbers of threads."""
    session.install(*CONSTRAINTS, "-e", ".[test]")
    env = {"OMP_NUM_THREADS": str(threads)}
    if capability != "native":
        env |= {"ATEN_CPU_CAPABILITY": capability, "ONEDNN_MAX_CPU_ISA": ISAS[capability]}
    session.run("pytest", *session.posargs, env=env)


@nox.session
def distributed(session: nox.Session) -> None:
    """Train every stage in several processes, and kill some: minutes, on two cores."""
    session.install(*CONSTRAINTS, "-e", ".[test]")
    session.run(
        "pytest", "tests/test_several_processes.py", *session.posargs, env={"S2VKIT_DISTRIBUTED": "1"}
    )


@nox.session
def failures(session: nox.Session) -> None:
    """Have processes fail in training, in every way and often: a quarter of an hour, on two cores."""
    session.install(*CONSTRAINTS, "-e", ".[test]")
    session.run("pytest", "tests/test_failures.py", *session.posargs, env={"S2VKIT_FAILURES": "1"})


@nox.session
def campaign(session: nox.Session) -> None:
    """Damage recipes, media, weights, folders and tables: `nox -s campaign -- --seed 2 --seconds 3600`."""
    session.install(*CONSTRAINTS, "-e", ".[test]")
    session.chdir("tests")
    session.run("python", "-m", "campaign", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated pages of the documentation anew and check all of it."""
    session.install(*CONSTRAINTS, "-e", ".[test]")
    session.run("python", "docs/generate.py")
    session.run("pytest", "tests/test_docs.py", "tests/test_docs_examples.py")


def lowest_pins() -> list[str]:
    """Turn every lower bound of pyproject into a pin."""
    project = PROJECT["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    return [re.sub(r"\s*>=\s*", "==", requirement) for requirement in needed]
