"""Run the campaign: python -m campaign --seed 1 --seconds 600 [--kind media] [--whole], from tests/."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

from campaign.cases import KINDS
from campaign.watch import run_cases

FINDS = ("error", "hang", "crash", "stray write")


def main() -> int:
    """Run each kind until its share of the time is spent; print counts and finds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600.0, help="for all kinds together")
    parser.add_argument("--kind", action="append", choices=[kind.name for kind in KINDS])
    parser.add_argument("--share", type=float, default=1.0, help="of each kind's whole number")
    parser.add_argument("--first", type=int, default=0, help="the case to begin with")
    parser.add_argument("--number", type=int, help="this case alone")
    parser.add_argument("--work", type=Path, help="an empty folder, or that of another campaign")
    given = parser.parse_args()
    kinds = [kind for kind in KINDS if not given.kind or kind.name in given.kind]
    finds = 0
    for kind in kinds:
        with tempfile.TemporaryDirectory() as place:
            work = (given.work or Path(place)).resolve()
            finds += campaign(kind, given, work, given.seconds / len(kinds))
    return min(finds, 1)


def campaign(kind: type, given: argparse.Namespace, work: Path, seconds: float) -> int:
    """Run one kind; give the number of finds."""
    (work / "shared").mkdir(exist_ok=True, parents=True)
    case = kind(given.seed, work / "shared")
    numbers = (
        list(range(given.first, round(kind.whole * given.share))) if given.number is None else [given.number]
    )
    tally: Counter[str] = Counter()
    begun = time.monotonic()
    for number, outcome, detail in run_cases(case, numbers, work, begun + seconds):
        tally[outcome] += 1
        if outcome in FINDS:
            print(f"FIND {kind.name} seed {given.seed} case {number}: {outcome}\n{detail}", flush=True)
    took = time.monotonic() - begun
    print(
        f"{kind.name}: {tally.total()} of {len(numbers)} cases in {took:.0f} s, seed {given.seed}", flush=True
    )
    for outcome, count in tally.most_common():
        print(f"  {count:6} {outcome}")
    return sum(tally[outcome] for outcome in FINDS)


if __name__ == "__main__":
    raise SystemExit(main())
