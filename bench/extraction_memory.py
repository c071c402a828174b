"""How much memory a large log takes: it must not grow with the log.

    python bench/extraction_memory.py [MEGABYTES...]   # of made-up log; else 20 and 200

Each size runs in a process of its own, which streams the log from a file. Prints peak resident
memory and what was found.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.extraction_speed import sample


def measure(path: str) -> None:
    """In the child: extract one file and print the peak."""
    from ci_metrics.logs import extract

    begin = time.perf_counter()
    with Path(path).open("rb") as file:
        found = extract(file)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{found.log_bytes / 1e6:7.1f} MB, {found.total_lines} lines: peak {peak:.0f} MB resident, {time.perf_counter() - begin:.1f} s,"
        f" {len(found.errors)} errors, {len(found.excerpt)} characters, truncated {found.truncated}"
    )


def main() -> None:
    """Make logs of the wanted sizes and measure each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megabytes", nargs="*", type=int, default=[20, 200])
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        measure(options.child)
        return
    logs = sample(10)
    for size in options.megabytes:
        with tempfile.NamedTemporaryFile() as file:
            for _ in range(max(1, size // 10)):
                file.writelines(logs)
            file.flush()
            subprocess.run([sys.executable, "-m", "bench.extraction_memory", "--child", file.name], check=True)


if __name__ == "__main__":
    main()
