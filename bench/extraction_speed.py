"""How fast logs are extracted, beside `grep -E -i -c` over the same bytes in the same run.

    python bench/extraction_speed.py [FILE...]     # logs (gzip is unpacked); else it makes some

Prints MB/s of one core: grep, the engine counting the lines with the same words, the scan alone
(with every pattern), the whole extraction. Best of three rounds each, taken in turn, by CPU time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hyperscan

from ci_metrics.catalogue import load_catalogue
from ci_metrics.logs import extract
from ci_metrics.logs.scan import finder, hits

#: The words of the comparison: the generic ones that the patterns hold too.
WORDS = (
    "error|fail|fatal|exception|panic|traceback|assert|timed? ?out|killed|denied|refused|no space|cannot|undefined|unable|missing"
    "|invalid|not found|unexpected|abort|crash|warning"
)


def sample(megabytes: int, seed: int = 7) -> list[bytes]:
    """Made-up job logs of about a third of a megabyte each: a build,
    tests that pass, one failure.
    """
    made = random.Random(seed)
    logs, total = [], 0
    while total < megabytes << 20:
        lines = [
            "Current runner version: '2.320.0'",
            "##[group]Run make test",
            "\x1b[36;1mmake test\x1b[0m",
            "##[endgroup]",
        ]
        for _ in range(made.randint(1500, 4500)):
            name = f"module_{made.randint(1, 400)}/part_{made.randint(1, 90)}"
            lines.append(
                made.choice(
                    (
                        f"[{made.randint(1, 99)}%] Building CXX object src/{name}.cpp.o",
                        f"tests/{name}.py::test_{made.randint(1, 999)} PASSED",
                        f"Downloading https://repo.example/{name}-{made.randint(1, 9)}.jar ({made.randint(1, 900)} kB)",
                        f"gcc -O2 -Wall -Iinclude -c src/{name}.c -o build/{name}.o",
                        f"DEBUG {name}: cache miss for key {made.getrandbits(64):016x}",
                    )
                )
            )
        lines += [
            "=================================== FAILURES ===================================",
            f"______________________________ test_{made.randint(1, 99)} ______________________________",
            ">       assert total == 3",
            "E       assert 4 == 3",
            f"FAILED tests/test_{made.randint(1, 99)}.py::test_total - assert 4 == 3",
            "=========== 1 failed, 812 passed in 12.31s ===========",
            "##[error]Process completed with exit code 1.",
            "Cleaning up orphan processes",
        ]
        text = "\n".join(
            f"2024-05-01T10:{i // 3000:02}:{i // 50 % 60:02}.{i % 10**7:07}Z {line}" for i, line in enumerate(lines)
        )
        logs.append(text.encode() + b"\n")
        total += len(logs[-1])
    return logs


def words_database() -> Any:
    """The engine for the words of the comparison: one match for each line with a
    newline, where the line ends.
    """
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[rf"(?:{WORDS})[^\n]*\n".encode()], ids=[0], elements=1, flags=[hyperscan.HS_FLAG_CASELESS]
    )
    return database


def lines_with_words(database: Any, data: bytes) -> int:
    """What `grep -c` counts."""
    count = 0

    def add(*_: object) -> None:
        nonlocal count
        count += 1

    database.scan(data, match_event_handler=add)
    return count


def each(work: Callable[[bytes], object], logs: list[bytes]) -> None:
    """One log after the other; results are dropped, as in use: to keep those of all
    logs takes time of its own.
    """
    for log in logs:
        work(log)


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU that `work()` takes, those of child processes included."""
    before = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    children = (after[1].ru_utime + after[1].ru_stime) - (before[1].ru_utime + before[1].ru_stime)
    return after[0] - before[0] + children


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--megabytes", type=int, default=40, help="of sample data when no files are given")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, and nothing else")
    options = parser.parse_args()
    raw = [f.read_bytes() for f in options.files] or sample(options.megabytes)
    logs = [gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data for data in raw]
    size = sum(map(len, logs)) / 1e6
    begin = time.perf_counter()
    extract(b"error: warm up\n")
    if not options.json:
        print(f"{len(logs)} logs, {size:.1f} MB; compiling the patterns took {time.perf_counter() - begin:.2f} s")
    with tempfile.NamedTemporaryFile() as file:
        whole = b"\n".join(logs) + b"\n"
        file.write(whole)
        file.flush()
        database = words_database()
        # a pipe, because grep stops at the first match when its output is thrown away
        command = ["grep", "-E", "-i", "-c", WORDS, file.name]
        jobs = {
            "grep -E -i -c": lambda: subprocess.run(command, stdout=subprocess.PIPE, check=False),
            "same words": lambda: lines_with_words(database, whole),
            "scan": lambda: each(lambda log: hits(log, finder(load_catalogue())), logs),
            "extract": lambda: each(extract, logs),
        }
        counted = int(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)
        if not options.json:
            print(f"lines with one of the words: grep {counted}, the engine {lines_with_words(database, whole)}")
        best = dict.fromkeys(jobs, float("inf"))
        for _ in range(3):
            for name, work in jobs.items():
                best[name] = min(best[name], cpu(work))
    grep = best["grep -E -i -c"]
    if options.json:
        told = {
            name: {"megabytes_a_second": round(size / seconds, 1), "of_grep": round(grep / seconds, 2)}
            for name, seconds in best.items()
        }
        print(json.dumps(told, indent=2))
        return
    for name, seconds in best.items():
        print(f"{name:16} {size / seconds:8.1f} MB/s   {grep / seconds:6.2f} of grep")


if __name__ == "__main__":
    main()
