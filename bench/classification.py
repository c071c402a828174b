"""How fast, and how good by band of confidence, the embedded classifier is on
a folder of labelled logs.

usage: python bench/classification.py DIR

Prints megabytes of log per second of one core (extraction, judging, both), the time to the first
verdict of a process, and for each band of confidence how many verdicts there were, how many were
right, and what confidence was given.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.evaluation.cases import read_cases
from ci_metrics.logs import extract


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    began = time.process_time()
    classifier = Classifier(load_taxonomy(None))
    classifier.judge(extract(b"##[error]Process completed with exit code 1.\n"))
    print(f"first verdict of a process: {time.process_time() - began:.2f} s of processor time")
    cases = read_cases(given.folder)
    logs = [case.read() for case in cases]
    size = sum(map(len, logs)) / 1e6
    began = time.process_time()
    extractions = [extract(log) for log in logs]
    extracting = time.process_time() - began
    began = time.process_time()
    verdicts = [classifier.judge(extraction) for extraction in extractions]
    judging = time.process_time() - began
    print(f"{len(logs)} logs, {size:.0f} MB; one core, MB/s of log:")
    print(
        f"  extraction {size / extracting:8.1f}   judging {size / judging:8.1f}   both {size / (extracting + judging):8.1f}"
    )
    bands: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for case, verdict in zip(cases, verdicts, strict=True):
        if case.expected and verdict.error_type:
            bands[min(9, int(verdict.confidence * 10))].append(
                (verdict.confidence, verdict.error_type in case.expected)
            )
    print(f"{'confidence':12}{'verdicts':>9}{'right':>8}{'given':>8}")
    for band, rows in sorted(bands.items()):
        right, given_mean = sum(r for _, r in rows) / len(rows), sum(c for c, _ in rows) / len(rows)
        print(f"{band / 10:.1f}-{band / 10 + 0.1:.1f}     {len(rows):9}{right:8.3f}{given_mean:8.3f}")


if __name__ == "__main__":
    main()
