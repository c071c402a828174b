"""How well steps are found: whole job logs against the per-step logs of the same archive.

    python bench/steps.py FOLDER                 # zips as GitHub's runs/{id}/logs returns them
    python bench/steps.py FOLDER --without times # or names, shells: what is left without them
    python bench/steps.py FOLDER --passing       # logs without a mark of an error that give one
    python bench/steps.py --cases FOLDER         # cases.jsonl.gz: with steps, and the failing lines

The step list is rebuilt as the API gives it: names as the archive's file names hold them, times of
the step's first and last line cut to the second, the failing step the one whose log holds the
runner's error. Prints shares, and the misses with --verbose. Cases are split in halves by project
(even and odd place in the list of their names): tune on one only.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import re
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ci_metrics.catalogue import load_catalogue
from ci_metrics.logs.extract import extract, read_log
from ci_metrics.logs.lines import line_time
from ci_metrics.logs.steps import StepRange
from ci_metrics.models import Job, Step


def moment(line: bytes) -> datetime | None:
    """The timestamp of a line, to the second."""
    second = line_time(line)
    return None if second is None else datetime.fromtimestamp(second, UTC)


def bare(line: bytes) -> bytes:
    """A line without its timestamp: the two kinds of logs are stamped a few microseconds apart."""
    return re.sub(rb"^(?:\xef\xbb\xbf)?\S+Z ?", b"", line).rstrip()


def fraction(line: bytes) -> float:
    """The timestamp of a line with its fraction of a second, or 0."""
    found = re.match(rb"(?:\xef\xbb\xbf)?\S+:\d\d(\.\d+)Z", line)
    return (line_time(line) or 0.0) + float(found[1]) if found else 0.0


def begin(lines: list[bytes], own: list[bytes], at: int) -> int | None:
    """Where the lines of a step begin in those of the job, from index `at` on."""
    head = [bare(line) for line in own[:3]]
    for i in range(at, len(lines)):
        near = abs(fraction(lines[i]) - fraction(own[0])) <= 0.1
        if near and [bare(line) for line in lines[i : i + len(head)]] == head:
            return i
    return None


def jobs(archive: Path) -> Iterator[tuple[str, bytes, list[tuple[Step, int, int]]]]:
    """(name, whole log, [(step, first line index, last line index)]) of
    each job with per-step logs.
    """
    with zipfile.ZipFile(archive) as data:
        names = data.namelist()
        for name in (n for n in names if "/" not in n and n.endswith(".txt")):
            folder = re.sub(r"^\d+_", "", name)[:-4]
            files = {int(m[1]): n for n in names if (m := re.match(re.escape(folder) + r"/(\d+)_(.*)\.txt$", n))}
            if not files:
                continue
            whole = data.read(name)
            lines = whole.split(b"\n")
            at, rows = 0, []
            for number in sorted(files):
                own = data.read(files[number]).removeprefix(b"\xef\xbb\xbf").rstrip(b"\n").split(b"\n")
                first = begin(lines, own, at)
                if first is None:
                    continue
                last = first + len(own) - 1
                at = last + 1
                failed = any(b"##[error]" in line for line in own)
                title = re.sub(r"^.*?/\d+_(.*)\.txt$", r"\1", files[number])
                stamps = [when for line in (own[0], *own[-3:]) if (when := moment(line))]
                step = Step(
                    number=number,
                    name=title,
                    status="completed",
                    conclusion="failure" if failed else "success",
                    started_at=stamps[0] if stamps else None,
                    completed_at=stamps[-1] if stamps else None,
                )
                rows.append((step, first, last))
            if rows:
                yield f"{archive.name}:{name}", whole, rows


#: Steps that the runner adds and names itself.
RUNNERS_OWN = {
    name: name
    for name in (
        "Set up job", "Set up runner", "Initialize containers", "Stop containers", "Complete runner", "Complete job",
    )
}  # fmt: skip


def anonymous(step: Step) -> str:
    """A name that says nothing but whether the step cleans up after another."""
    return f"Post step {step.number}" if step.name.startswith("Post ") else f"Step {step.number}"


def less(steps: Collection[Step], without: Collection[str]) -> tuple[Step, ...]:
    """`steps` without times or names, as far as `without` says so."""
    if "times" in without:
        steps = [replace(step, started_at=None, completed_at=None) for step in steps]
    if "names" in without:
        steps = [replace(step, name=RUNNERS_OWN.get(step.name) or anonymous(step)) for step in steps]
    return tuple(steps)


def job_of(name: str, steps: tuple[Step, ...]) -> Job:
    """A job with these steps."""
    return Job(
        repo="a/b",
        run_id=1,
        run_attempt=1,
        job_id=1,
        name=name,
        workflow_name="w",
        status="completed",
        conclusion="failure",
        created_at=None,
        started_at=None,
        completed_at=None,
        runner_id=None,
        runner_name=None,
        labels=(),
        head_branch="main",
        head_sha="0",
        html_url="",
        steps=steps,
    )


def cases(folder: Path) -> Iterator[tuple[str, bytes, Job, tuple[int, int] | None, list[int]]]:
    """(id, log, job, the failing step's first and last line, decisive lines) of
    each case that tells its job.
    """
    with gzip.open(folder / "cases.jsonl.gz", "rt", encoding="utf-8") as file:
        listing = [json.loads(line) for line in file]
    for row in listing:
        whole = gzip.decompress((folder / row["log"]).read_bytes())
        named = re.search(rb"Complete job name: (.*)", whole)
        listed = [
            job
            for job in row.get("jobs") or []
            if len(row["jobs"]) == 1 or (named and job["job_name"] == named[1].decode().strip())
        ]
        if not listed:
            continue
        steps = tuple(
            Step(
                number=s["number"],
                name=s["name"],
                status=s["status"],
                conclusion=s["conclusion"],
                started_at=None,
                completed_at=None,
            )
            for s in listed[0]["steps"]
        )
        if not row.get("spans"):
            yield row["id"], whole, job_of(listed[0]["job_name"], steps), None, row.get("decisive") or []
            continue
        first, last = row["spans"][0]
        lines = whole.split(b"\n")
        # Such a step begins with its preparation; the first line of that text in a log
        # stands in "Set up job".
        job = next((i for i, line in enumerate(lines) if b"Complete job name: " in line), 0)
        if lines[first - 1].rstrip().endswith(b"Prepare all required actions") and first <= job:
            first = next(i for i in range(job, last) if lines[i].rstrip().endswith(b"Prepare all required actions")) + 1
        yield row["id"], whole, job_of(listed[0]["job_name"], steps), (first, last), row.get("decisive") or []


def measure_cases(folder: Path, without: Collection[str], *, verbose: bool) -> None:
    """The failing step's lines, by half and project."""
    found = list(cases(folder))
    names = sorted({name.split("/")[1] for name, *_ in found})
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for name, whole, job, span, decisive in found:
        project = name.split("/")[1]
        told = extract(whole, job=replace(job, steps=less(job.steps, without)))
        begin, end = told.failed_span or (0, 0)
        for key in ("all", "even" if names.index(project) % 2 == 0 else "odd", project):
            row = counts[key]
            row["told"] += bool(decisive)
            row["cause"] += any(begin <= line <= end for line in decisive)
            if span:
                row.update(cases=1, start=begin == span[0], end=end == span[1], both=(begin, end) == span)
        if verbose and decisive and not any(begin <= line <= end for line in decisive):
            print(f"{name}: {told.failed_step!r} is said to be {begin}-{end}, the cause stands in {decisive}")
        if verbose and span and (begin, end) != span:
            first, last = span
            print(f"{name}: {told.failed_step!r} is {first}-{last}, found {begin}-{end}")
    for key in ("all", "even", "odd", *names):
        row = counts[key]
        if key in ("all", "even", "odd") or (verbose and row["cases"]):
            starts, ends, both = (row[what] / row["cases"] for what in ("start", "end", "both"))
            cause = f"{row['cause']} of {row['told']} causes in the failing step"
            print(f"{key}: {row['cases']} cases: start right {starts:.3f}, end {ends:.3f}, both {both:.3f}; {cause}")


def laid(whole: bytes, steps: Collection[Step]) -> list[StepRange]:
    """The steps laid over the log."""
    return list(read_log(whole, load_catalogue()).structure.laid_out(tuple(steps)).ranges)


def measure_passing(folder: Path) -> None:
    """How many of the logs without a mark of an error, of whole jobs and of single steps, are said
    to hold one.
    """
    seen, loud = collections.Counter[str](), collections.Counter[str]()
    for archive in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(archive) as data:
            for name in (each for each in data.namelist() if each.endswith(".txt")):
                log = data.read(name)
                if b"##[error]" not in log:
                    kind = "steps" if "/" in name else "jobs"
                    seen[kind] += 1
                    loud[kind] += bool(extract(log).errors)
    print(", ".join(f"{kind}: {loud[kind]} of {seen[kind]} give an error" for kind in ("jobs", "steps")))


def main() -> None:
    """Measure every archive of the folder and print shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="of archives")
    parser.add_argument("--cases", type=Path, help="folder of cases, instead of archives")
    parser.add_argument("--without", action="append", default=[], choices=["times", "names", "shells"])
    parser.add_argument("--passing", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if options.cases:
        measure_cases(options.cases, options.without, verbose=options.verbose)
        return
    if options.folder is None:
        parser.error("a folder of archives or --cases is needed")
    if options.passing:
        measure_passing(options.folder)
        return
    total = starts = both = failing = alone = named = passing = silent = 0
    for archive in sorted(options.folder.glob("*.zip")):
        for name, whole, rows in jobs(archive):
            total += 1
            steps = less([row[0] for row in rows], options.without)
            rows = [(step, first, last) for step, (_, first, last) in zip(steps, rows, strict=True)]
            if "shells" in options.without:
                whole = re.sub(rb"Z shell: [^\n]*", b"Z shell: /bin/zsh {0}", whole)
            offsets = [0]
            for line in whole.split(b"\n"):
                offsets.append(offsets[-1] + len(line) + 1)
            ranges = laid(whole, steps)
            found = {r.step.number: r.start for r in ranges}
            right = all(found.get(step.number) == offsets[first] for step, first, _ in rows)
            starts += right
            if options.verbose and not right:
                for step, first, _ in rows:
                    if found.get(step.number) != offsets[first]:
                        print(
                            f"{name}: step {step.number} {step.name!r}: begins {offsets[first]}, found {found.get(step.number)}: "
                            f"{whole.split(chr(10).encode())[first][:90]!r}"
                        )
            failed = [row for row in rows if row[0].conclusion == "failure"]
            if not failed:
                passing += 1
                silent += extract(whole).state != "errors"
                if options.verbose and extract(whole).state == "errors":
                    print("PASSING but errors", name, [e.headline[:90] for e in extract(whole).errors[:2]])
                continue
            failing += 1
            step, first, last = failed[0]
            later = sorted(start for start in found.values() if start > offsets[first])
            end = later[0] if later else len(whole)
            ok = found.get(step.number) == offsets[first] and end == offsets[last + 1]
            both += ok
            if options.verbose and not ok:
                print(
                    f"{name}: failing step {step.number} {step.name!r}: {offsets[first]}-{offsets[last + 1]}, found {found.get(step.number)}-{end}"  # noqa: E501
                )
            guess = extract(whole).failed_step or ""
            header = (
                bare(whole[offsets[first] : offsets[first + 1]]).decode("utf-8", "replace").removeprefix("##[group]")
            )
            alone += bool(guess) and guess[:60] == header[:60]
            named += bool(guess) and re.sub(r"\W", "", guess) == re.sub(r"\W", "", step.name)
            if options.verbose and guess[:60] != header[:60]:
                print(f"{name}: from the log alone {guess!r}, is {header!r}")
    print(f"jobs {total}: every step's start right {starts / total:.3f}")
    print(
        f"failing {failing}: both ends right {both / failing:.3f}; from the log alone: the right header {alone / failing:.3f}, "
        f"the step's own name {named / failing:.3f} (a step's `name:` stands in no log)"
    )
    print(f"passing {passing}: no error {silent / max(passing, 1):.3f}")


if __name__ == "__main__":
    main()
