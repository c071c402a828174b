"""How fast whole logs are masked, and what is masked in them: ``python -m
bench.redaction_speed FILE…`` (plain or .gz).

Belongs here: CPU time a megabyte by `Care`, and each masked place with what stands before it
(``--show``), to look for what is no secret.
"""

from __future__ import annotations

import argparse
import gzip
import time
from pathlib import Path

from ci_metrics.redaction import Care, Masker


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--show", action="store_true", help="print what is masked; it may be a real credential")
    arguments = parser.parse_args()
    raw = {path: path.read_bytes() for path in arguments.files}
    logs = {path: gzip.decompress(data) if path.suffix == ".gz" else data for path, data in raw.items()}
    size = sum(map(len, logs.values())) / 1e6
    for care in Care:
        Masker(care).spans(b"the engine is compiled\n")
        before = time.process_time()
        found = {path: Masker(care).spans(log) for path, log in logs.items()}
        seconds = time.process_time() - before
        print(f"{care.name:7} {size / seconds:7.0f} MB/s, {sum(map(len, found.values()))} masked in {size:.0f} MB")
    if arguments.show:
        for path, spans in found.items():
            for start, end in spans:
                line = logs[path].rfind(b"\n", 0, start) + 1
                print(path.name, logs[path][max(line, start - 80) : start], ">>", logs[path][start:end][:80])


if __name__ == "__main__":
    main()
