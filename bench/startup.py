"""How long people wait for the smallest things: `python -m bench.startup [--rounds 5]`.

Each command in a process of its own, the median of some rounds: CPU seconds, which a busy machine
does not change much, and wall-clock seconds. "First" is on a machine that has not yet compiled the
catalogue's expressions, "again" the next time there, "warm" after `ci-metrics warm` or an hour.
JSON on standard output.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.extraction_speed import sample
from bench.processes import Cost, cost_of, cost_of_program


def median(run: Callable[[], Cost], rounds: int) -> dict[str, float]:
    """The medians of some rounds."""
    costs = [run() for _ in range(rounds)]
    return {
        "seconds": round(statistics.median(cost.seconds for cost in costs), 2),
        "cpu": round(statistics.median(cost.cpu for cost in costs), 2),
        "megabytes": round(statistics.median(cost.megabytes for cost in costs)),
    }


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Figures by command."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "build.log"
        log.write_bytes(sample(1)[0][-40_000:])
        large = Path(folder) / "large.log"
        with large.open("wb") as file:
            for _ in range(20):
                file.writelines(sample(10))
        warm: Mapping[str, str] = {
            "HOME": folder,
            "XDG_CACHE_HOME": f"{folder}/cache",
            "CI_METRICS_HOME": f"{folder}/d",
        }
        first = median(
            lambda: cost_of("classify", str(log), environ={**warm, "XDG_CACHE_HOME": tempfile.mkdtemp(dir=folder)}),
            rounds,
        )
        again = median(partial(cost_of, "classify", str(log), environ=warm), rounds)
        whole = median(partial(cost_of, "warm", environ=warm), 1)
        return {
            "python -c pass": median(partial(cost_of_program, "pass", environ=warm), rounds),
            "--help": median(partial(cost_of, "--help", environ=warm), rounds),
            "a misspelt command": median(partial(cost_of, "clasify", environ=warm), rounds),
            "classify, first on a machine": first,
            "classify, again": again,
            "warm": whole,
            "classify, warm": median(partial(cost_of, "classify", str(log), environ=warm), rounds),
            "classify, 200 MB": median(partial(cost_of, "classify", str(large), environ=warm), 1),
        }


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description="How long the smallest commands take")
    parser.add_argument("--rounds", type=int, default=5)
    print(json.dumps(measure(parser.parse_args().rounds), indent=2))


if __name__ == "__main__":
    main()
