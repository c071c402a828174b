"""All that people wait for, beside what was set out to reach: `make bench`, `python -m bench
[WORD ...]`.

Runs the programs of this folder one after the other, prints the table that `docs/performance.md`
quotes, and writes what they printed as JSON (`--out FILE`). With words, only the rows that hold one
of them. An hour and a half on two cores; take the large ones out with `--short`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one program."""

    what: str
    program: tuple[str, ...]  # the module of bench/, and its arguments
    figure: tuple[str, ...]  # where in its JSON
    reach: float
    unit: str = "s of CPU"
    least: bool = False  # whether `reach` is the least, not the most
    long: bool = False

    @property
    def judges_itself(self) -> bool:
        """Whether the program says by its exit code whether its figures hold."""
        return not self.figure

    def value(self, told: Mapping[str, Any]) -> float | None:
        """The figure; None when it was not measured."""
        if self.judges_itself:
            return float(bool(told))
        found: object = told
        for key in self.figure:
            found = found.get(key) if isinstance(found, Mapping) else None
        return float(found) if isinstance(found, (int, float)) else None

    def line(self, value: float | None) -> str:
        """The row of the table."""
        if self.judges_itself:
            return f"| {self.what} | {self.unit} | printed above | {'yes' if value else 'no'} |"
        asked = f"{'>=' if self.least else '<='} {self.reach:g} {self.unit}"
        if value is None:
            return f"| {self.what} | {asked} | not measured | |"
        held = value >= self.reach if self.least else value <= self.reach
        return f"| {self.what} | {asked} | {value:g} | {'yes' if held else 'no'} |"


_QUESTIONS = ("search", "search --type", "search --text, often", "search --text, once", "top", "explain", "report")
_MILLION = ("index_questions", "--documents", "1000000")
_AGAIN = ("hours", "again")
_SMALL, _BUSY = "one hour of 15 jobs", "one hour of 3,000 jobs, 50 ms"

ROWS: tuple[Row, ...] = (
    Row("`--help`", ("startup",), ("--help", "cpu"), 0.2),
    Row("a misspelt command", ("startup",), ("a misspelt command", "cpu"), 0.3),
    Row("`classify`, a small log, warm", ("startup",), ("classify, warm", "cpu"), 0.6),
    Row("the same, first on a machine", ("startup",), ("classify, first on a machine", "cpu"), 2.0),
    Row("the same, again, without `warm`", ("startup",), ("classify, again", "cpu"), 0.6),
    Row("`classify`, 200 MB", ("startup",), ("classify, 200 MB", "megabytes"), 150, "MB"),
    Row("extraction beside grep", ("extraction_speed", "--json"), ("extract", "of_grep"), 0.25, "", least=True),
    Row("the scan alone beside grep", ("extraction_speed", "--json"), ("scan", "of_grep"), 0.25, "", least=True),
    Row("extraction", ("extraction_speed", "--json"), ("extract", "megabytes_a_second"), 120, "MB/s", least=True),
    Row("one small hour, a cold process", ("hours", "small"), (_SMALL, "seconds"), 5.0, "s"),
    Row("its memory", ("hours", "small"), (_SMALL, "megabytes"), 300, "MB"),
    Row("3,000 jobs, 50 ms before each answer", ("hours", "busy"), (_BUSY, "seconds"), 20, "s"),
    Row("its memory", ("hours", "busy"), (_BUSY, "megabytes"), 300, "MB"),
    Row(
        "100,000 jobs of 1,000 repositories in an hour",
        ("hours", "large"),
        ("one hour of 100,000 jobs", "megabytes"),
        500,
        "MB",
        long=True,
    ),
    Row("requests a job at 3, 10, 30 jobs a run", ("github_requests",), (), 0, "<= 1.3 of the floor"),
    Row("requests of S3: an hour, unchanged, a sweep", ("object_store_requests",), (), 0, "<= 120, 20, 60"),
    Row("720 hours judged again", _AGAIN, ("720 judged again", "cpu"), 60, long=True),
    Row("72 of them", _AGAIN, ("72 of them judged again", "cpu"), 10, long=True),
    Row("embedded index, upsert", ("bulk",), ("embedded_per_cpu_second",), 20_000, "a second of CPU", least=True),
    Row("OpenSearch beside `parallel_bulk`", ("bulk",), ("speed_beside_it",), 0.9, "", least=True),
    *(Row(f"1 M jobs: `{name}`", _MILLION, ("questions", name, "cpu"), 2.0, long=True) for name in _QUESTIONS),
)


def told_by(program: Sequence[str]) -> Mapping[str, Any]:
    """What a program printed; nothing when it failed, whose message stands on standard error."""
    print(f"python -m bench.{' '.join(program)} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{program[0]}", *program[1:]], cwd=ROOT, stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        print(f"{done.stdout.decode()[-1_000:]}  ended with {done.returncode}", file=sys.stderr)
        return {}
    try:
        found = json.loads(done.stdout)
    except ValueError:  # lines for people
        text = done.stdout.decode()
        print(text, file=sys.stderr)
        return {"said": text}
    return found if isinstance(found, dict) else {}


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="All that people wait for, in one table")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only rows that hold one of these")
    parser.add_argument("--short", action="store_true", help="leave out what takes longer than some minutes")
    parser.add_argument("--out", type=Path, help="write what the programs printed here, as JSON")
    given = parser.parse_args()
    chosen = [
        row
        for row in ROWS
        if not (given.short and row.long) and (not given.words or any(word in row.what for word in given.words))
    ]
    told = {program: told_by(program) for program in dict.fromkeys(row.program for row in chosen)}
    print("| what | asked | measured | held |\n|---|---:|---:|---|")
    for row in chosen:
        print(row.line(row.value(told[row.program])))
    if given.out:
        given.out.write_text(json.dumps({" ".join(program): each for program, each in told.items()}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
