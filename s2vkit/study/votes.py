"""Reading the votes that raters send: every row is taken or rejected with its reason."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s2vkit.errors import InputError
from s2vkit.study.plan import TRUTH, Study

COLUMNS = ("rater", "pair", "question", "left", "right", "choice", "milliseconds", "shown")
CHOICES = ("left", "right", "same")


@dataclass(frozen=True)
class Vote:
    """One rater's answer to one question about one pair."""

    rater: str
    pair: str
    question: str
    left: str  # blinded
    right: str
    choice: str
    milliseconds: int

    @property
    def winner(self) -> str | None:
        """The blinded clip that was preferred; None if neither was."""
        return {"left": self.left, "right": self.right}.get(self.choice)


@dataclass
class Box:
    """All votes that count, and what became of the others."""

    votes: list[Vote] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)  # reason -> rows
    examples: list[str] = field(default_factory=list)  # FILE:LINE: reason, the first of each
    rows: int = 0
    replaced: int = 0  # earlier votes of one rater, pair and question
    inattentive: dict[str, str] = field(default_factory=dict)  # rater -> checks answered rightly

    def reject(self, place: str, reason: str, detail: str = "") -> None:
        """Count a row that is not used; of each reason the first is kept as an example."""
        if not self.rejected[reason]:
            self.examples.append(f"{place}: {reason}{detail}")
        self.rejected[reason] += 1


def read_votes(paths: Sequence[Path], study: Study) -> Box:
    """Read the CSV files of any number of raters.

    Of one rater's votes on one pair and question the last counts, in the order of files and
    rows; the earlier are counted as replaced. Raises InputError if a file cannot be read as
    such a table, or no row of all files can be used.
    """
    box, kept = Box(), dict[tuple[str, str, str], Vote]()
    for path in paths:
        for line, row in _rows(path):
            box.rows += 1
            vote = _vote(row, study, box, f"{path}:{line}")
            if vote is not None:
                key = (vote.rater, vote.pair, vote.question)
                box.replaced += key in kept
                kept[key] = vote
    if not kept:
        examples = "; ".join(box.examples) or "there are no rows"
        raise InputError(
            f"no vote can be used of {', '.join(map(str, paths))}: {examples}",
            hint="give the files that raters downloaded from this study's page",
        )
    box.votes = list(_attentive(kept.values(), study, box))
    return box


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a table in UTF-8: {error.reason}") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    first = text.partition("\n")[0]
    split = max(",;\t", key=first.count)  # a spreadsheet may have written it anew
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=split)
    head = [cell.strip().lower() for cell in next(reader, [])]
    missing = [name for name in COLUMNS if name not in head]
    if missing:
        raise InputError(
            f"{path}: not a table of votes: it has no column {', '.join(missing)}",
            hint="give the files that raters downloaded from this study's page",
        )
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, dict(zip(head, (c.strip() for c in cells), strict=False))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: damaged: {error}") from error


def _vote(row: dict[str, str], study: Study, box: Box, place: str) -> Vote | None:
    values = {name: row.get(name, "") for name in COLUMNS}
    pair = study.pairs.get(values["pair"])
    time = values["milliseconds"]
    wrong = ""
    if not all(values[name] for name in COLUMNS[:-1]):
        wrong = "a cell is empty"
    elif pair is None:
        wrong, values["pair"] = "no such pair in this study", values["pair"]
    elif values["question"] not in {q.id for q in study.questions}:
        wrong = "no such question in this study"
    elif {values["left"], values["right"]} != {pair.a, pair.b}:
        wrong = "the clips are not those of the pair"
    elif values["choice"] not in CHOICES:
        wrong = "the choice is neither left nor right nor same"
    elif not (time.isascii() and time.isdigit()):
        wrong = "the time is no whole number of milliseconds"
    if wrong:
        box.reject(place, wrong)
        return None
    del values["shown"], values["milliseconds"]
    return Vote(**values, milliseconds=int(time))


def _attentive(votes: Iterable[Vote], study: Study, box: Box) -> Iterator[Vote]:
    """Leave out the checks, and all votes of raters who failed more than half of theirs."""
    votes = list(votes)
    given: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for vote in votes:
        if study.pairs[vote.pair].check:
            given[vote.rater] += 1
            right[vote.rater] += vote.winner is not None and study.system(vote.winner) == TRUTH
    for rater, count in given.items():
        if 2 * right[rater] < count:
            box.inattentive[rater] = f"{right[rater]} of {count}"
    for vote in votes:
        if vote.rater in box.inattentive:
            box.reject(vote.rater, "of a rater who failed more than half of the checks")
        elif not study.pairs[vote.pair].check:
            yield vote
