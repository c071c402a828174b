"""What the log of a passing run is worth as background: `python -m bench.background [FOLDER]`.

Takes the recorded failures of `bench/recorded` (or of another folder of the same form) of whose
project a passed log was recorded too, and prints how often the first error's headline is a line
that a person marked, without background and with it, how long the excerpts are, and how many lines
the passed log printed too: of all, and of the marked ones, which should be few. The logs were made
for the purpose, so only the difference means something.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ci_metrics.logs import background_of, extract
from ci_metrics.logs.lines import text_of


def pairs(folder: Path) -> Iterator[tuple[dict[str, Any], bytes, bytes]]:
    """(case, its log, a passed log of its project): the failure's own counterpart,
    else each of the project's.
    """
    cases = {case["log"]: case for case in map(json.loads, (folder / "cases.jsonl").read_text().splitlines())}
    for passed in sorted((folder / "passing").glob("*.log.gz")):
        own = f"failing/{passed.name.replace('-ok.log', '.log')}"
        project = re.fullmatch(r"(.+)-p\d+\.log\.gz", passed.name)
        logs = [own] if own in cases else []
        if project:
            logs += sorted(log for log, case in cases.items() if case["project"] == project[1])
        for log in logs:
            yield cases[log], gzip.decompress((folder / log).read_bytes()), gzip.decompress(passed.read_bytes())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.background", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "recorded")
    folder: Path = parser.parse_args().folder
    count: Counter[str] = Counter()
    for case, failed, passed in pairs(folder):
        background = background_of(passed)
        marked = {line for first, last in case["spans"] for line in range(first, last + 1)}
        count["pairs"] += 1
        for title, found in (("without", extract(failed)), ("with", extract(failed, background=background))):
            count[f"headline {title}"] += bool(found.errors) and found.errors[0].line in marked
            count[f"characters {title}"] += len(found.excerpt)
        for number, raw in enumerate(failed.split(b"\n"), start=1):
            text = text_of(raw)
            kind = "marked" if number in marked else "other"
            count[f"{kind} lines"] += bool(text.strip())
            count[f"{kind} held"] += background.holds(text)
    n = count["pairs"]
    print(f"{n} pairs")
    for title in ("without", "with"):
        print(f"{title:8} headline is a marked line {count[f'headline {title}'] / n:.3f}, ", end="")
        print(f"characters {count[f'characters {title}'] / n:.0f}")
    for kind in ("marked", "other"):
        print(f"{kind} lines that the passed log holds too: {count[f'{kind} held']} of {count[f'{kind} lines']}")


if __name__ == "__main__":
    main()
