"""The analysis of a study by question: strengths with intervals, wins, agreement."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import Any

import numpy as np

from s2vkit.study.bradley_terry import Array, fit, fit_many
from s2vkit.study.plan import Study
from s2vkit.study.votes import Box, Vote

DRAWS = 2000
METHOD = (
    "Bradley-Terry with ties as Davidson (1970) has them, by maximum likelihood (Newton's method); "
    "strengths are natural logarithms with mean 0, so exp(a - b) are the odds of a over b where "
    "one is preferred"
)


def analyse(study: Study, box: Box, *, seed: int = 0, draws: int = DRAWS) -> dict[str, Any]:
    """Return the whole analysis as plain data; the keys are stable.

    Intervals are 2.5 to 97.5 percentiles over `draws` resamplings: of raters, each with all
    their votes, or of single votes where there is one rater.
    """
    raters = sorted({vote.rater for vote in box.votes})
    over = "raters" if len(raters) > 1 else "votes"
    lone = "" if len(raters) > 1 else "; of one rater, so they do not cover other people"
    return {
        "study": study.id,
        "raters": len(raters),
        "rows": box.rows,
        "votes": len(box.votes),
        "rejected": dict(box.rejected),
        "set_aside_examples": box.examples,
        "replaced": box.replaced,
        "inattentive": box.inattentive,
        "method": METHOD,
        "intervals": f"95 %, bootstrap over {over}, {draws} draws, seed {seed}{lone}",
        "questions": {
            q.id: {"text": q.text, **_question(study, mine, over, seed, draws)}
            for q in study.questions
            if (mine := [v for v in box.votes if v.question == q.id])
        },
    }


def _question(study: Study, votes: Sequence[Vote], over: str, seed: int, draws: int) -> dict[str, Any]:
    names = list(study.systems)
    wins, ties = count(study, votes, over)
    all_wins, all_ties = wins.sum(0), ties.sum(0)
    found = fit(all_wins, all_ties)
    drawn = resample(wins, ties, seed, draws)
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return {
        "votes": len(votes),
        "raters": len({v.rater for v in votes}),
        "systems": [
            {
                "system": name,
                "strength": float(found.strengths[i]),
                "low": float(low[i]),
                "high": float(high[i]),
                "wins": int(all_wins[i].sum()),
                "losses": int(all_wins[:, i].sum()),
                "ties": int(all_ties[i].sum()),
            }
            for i, name in enumerate(names)
        ],
        "pairs": [
            _pair(names, found.chance(i, j), drawn[:, i] - drawn[:, j], i, j)
            for i, j in combinations(range(len(names)), 2)
        ],
        "wins": {
            "rows": "preferred",
            "columns": "to",
            "systems": names,
            "counts": all_wins.astype(int).tolist(),
            "ties": all_ties.astype(int).tolist(),
        },
        "tie_parameter": float(found.tie) if np.isfinite(found.tie) else None,
        "flags": _flags(names, all_wins, all_ties, found.regularised, found.connected),
        "agreement": agreement(study, votes),
        "left_of_decided": _left(votes),
        "median_seconds": median(v.milliseconds for v in votes) / 1000,
    }


def _pair(names: list[str], chance: float, apart: Array, i: int, j: int) -> dict[str, Any]:
    low, high = 1 / (1 + np.exp(-np.percentile(apart, [2.5, 97.5])))
    return {"system": names[i], "over": names[j], "preferred": chance, "low": float(low), "high": float(high)}


def count(study: Study, votes: Sequence[Vote], over: str) -> tuple[Array, Array]:
    """Count wins and ties (U, K, K), a unit of resampling each: raters, or single votes."""
    place = {name: i for i, name in enumerate(study.systems)}
    units = {v: n for n, v in enumerate(dict.fromkeys(v.rater for v in votes))}
    size = len(units) if over == "raters" else len(votes)
    wins = np.zeros((size, len(place), len(place)))
    ties = np.zeros_like(wins)
    for number, vote in enumerate(votes):
        unit = units[vote.rater] if over == "raters" else number
        a, b = (place[study.system(clip)] for clip in (vote.left, vote.right))
        if vote.choice == "same":
            ties[unit, a, b] += 1
            ties[unit, b, a] += 1
        else:
            first, second = (a, b) if vote.choice == "left" else (b, a)
            wins[unit, first, second] += 1
    return wins, ties


def resample(wins: Array, ties: Array, seed: int, draws: int) -> Array:
    """Fit `draws` resamplings of the units (U, K, K): strengths (draws, K)."""
    units = len(wins)
    chance = np.random.default_rng(seed)
    often = chance.multinomial(units, np.full(units, 1 / units), size=draws).astype(float)
    return fit_many(np.tensordot(often, wins, 1), np.tensordot(often, ties, 1))[0]


def _flags(names: list[str], wins: Array, ties: Array, regularised: bool, whole: bool) -> list[str]:
    found = []
    if not whole:
        found.append("some systems were never compared, not even over others: their strengths do not compare")
    for i, name in enumerate(names):
        won, lost, tied = wins[i].sum(), wins[:, i].sum(), ties[i].sum()
        if won and not lost and not tied:
            found.append(f"{name} won every vote")
        if lost and not won and not tied:
            found.append(f"{name} lost every vote")
        if not (won or lost or tied):
            found.append(f"{name} has no vote")
    if regularised:
        found.append(
            "the votes alone have no finite answer: half a vote each way was added to "
            "every pair that was compared, and strengths are shrunk by it"
        )
    return found


def agreement(study: Study, votes: Sequence[Vote]) -> dict[str, Any]:
    """Return how often two raters agreed on one pair, and how often by chance.

    By chance: two answers drawn at random from all answers to the same two systems.
    """
    of_pair: dict[str, list[str]] = defaultdict(list)
    of_systems: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for vote in votes:
        answer = study.system(vote.winner) if vote.winner else "same"
        both = tuple(sorted(study.system(clip) for clip in (vote.left, vote.right)))
        of_pair[vote.pair].append(answer)
        of_systems[both][answer] += 1
    alike = compared = 0
    by_chance = 0.0
    for name, answers in of_pair.items():
        pair = study.pairs[name]
        often = of_systems[tuple(sorted((study.system(pair.a), study.system(pair.b))))]
        met = list(combinations(answers, 2))
        alike += sum(one == other for one, other in met)
        compared += len(met)
        by_chance += len(met) * _meet(often)
    if not compared:
        return {"share": None, "chance": None, "compared": 0}
    return {"share": alike / compared, "chance": by_chance / compared, "compared": compared}


def _meet(often: Counter[str]) -> float:
    total = sum(often.values())
    return sum(n * n for n in often.values()) / total**2


def _left(votes: Sequence[Vote]) -> float | None:
    decided = [vote.choice == "left" for vote in votes if vote.choice != "same"]
    return sum(decided) / len(decided) if decided else None
