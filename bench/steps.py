"""How well steps are found: whole job logs against the per-step logs of the same archive.

    python bench/steps.py FOLDER      # zips as GitHub's runs/{id}/logs returns them

The step list is rebuilt as the API gives it: names as the archive's file names hold them, times of the step's first and last line
cut to the second, the failing step the one whose log holds the runner's error. Prints shares, and the misses with --verbose.
"""

from __future__ import annotations

import argparse
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from ci_metrics.logs.extract import extract, read_log
from ci_metrics.logs.steps import aligned, stamp
from ci_metrics.models import Job, Step


def moment(line: bytes) -> datetime | None:
    """The timestamp of a line, to the second."""
    second = stamp(line)
    return None if second is None else datetime.fromtimestamp(second, UTC)


def bare(line: bytes) -> bytes:
    """A line without its timestamp: the two kinds of logs are stamped a few microseconds apart."""
    return re.sub(rb"^(?:\xef\xbb\xbf)?\S+Z ?", b"", line).rstrip()


def fraction(line: bytes) -> float:
    """The timestamp of a line with its fraction of a second, or 0."""
    found = re.match(rb"(?:\xef\xbb\xbf)?\S+:\d\d(\.\d+)Z", line)
    return (stamp(line) or 0.0) + float(found[1]) if found else 0.0


def begin(lines: list[bytes], own: list[bytes], at: int) -> int | None:
    """Where the lines of a step begin in those of the job, from index `at` on."""
    head = [bare(line) for line in own[:3]]
    for i in range(at, len(lines)):
        near = abs(fraction(lines[i]) - fraction(own[0])) <= 0.1
        if near and [bare(line) for line in lines[i : i + len(head)]] == head:
            return i
    return None


def jobs(archive: Path):
    """(name, whole log, [(step, first line index, last line index)]) of each job with per-step logs."""
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
                title = re.match(r".*?/\d+_(.*)\.txt$", files[number])[1]
                stamps = [m for line in (own[0], *own[-3:]) if (m := moment(line))]
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


def job_of(name: str, rows) -> Job:
    """A job with the steps of `rows`."""
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
        steps=tuple(row[0] for row in rows),
    )


def main() -> None:
    """Measure every archive of the folder and print shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    total = starts = both = failing = alone = named = passing = silent = 0
    for archive in sorted(options.folder.glob("*.zip")):
        for name, whole, rows in jobs(archive):
            total += 1
            offsets = [0]
            for line in whole.split(b"\n"):
                offsets.append(offsets[-1] + len(line) + 1)
            headers = read_log(whole).headers()
            ranges = aligned(headers, [row[0] for row in rows])
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
            guess = extract(whole)
            header = (
                bare(whole[offsets[first] : offsets[first + 1]]).decode("utf-8", "replace").removeprefix("##[group]")
            )
            alone += bool(guess.failed_step) and guess.failed_step[:60] == header[:60]
            named += bool(guess.failed_step) and re.sub(r"\W", "", guess.failed_step) == re.sub(r"\W", "", step.name)
            if options.verbose and (guess.failed_step or "")[:60] != header[:60]:
                print(f"{name}: from the log alone {guess.failed_step!r}, is {header!r}")
    print(f"jobs {total}: every step's start right {starts / total:.3f}")
    print(
        f"failing {failing}: both ends right {both / failing:.3f}; from the log alone: the right header {alone / failing:.3f}, "
        f"the step's own name {named / failing:.3f} (a step's `name:` stands in no log)"
    )
    print(f"passing {passing}: no error {silent / max(passing, 1):.3f}")


if __name__ == "__main__":
    main()
