"""What hours of CI cost to take in and to judge again: `python -m bench.hours [CASE ...]`.

`ci-metrics upload` in a process of its own against a generated GitHub on loopback: `small` is one
hour of 15 jobs, `busy` one of 3,000 jobs with 50 ms before each answer, `large` one of 100,000 jobs
of 1,000 repositories, `again` 720 hours with 10,000 failures of 2,000 causes, taken in and then
judged by another taxonomy, as a whole and the last tenth, quarter and half of them (`--hours`: of
fewer hours with as many failures an hour). Without a name: all but `large` and `again`, which take
long. JSON on standard output: wall-clock and CPU seconds, megabytes resident, requests.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from bench.processes import Cost, cost_of
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import World

TAXONOMY = Path(__file__).parents[1] / "ci_metrics" / "classifier" / "taxonomies" / "split_gates.toml"

CASES = ("small", "busy", "large", "again")
Figures = dict[str, float | int | str]


def figures(cost: Cost, **more: int) -> Figures:
    """The figures of one command, or what it said when it failed."""
    told: Figures = {"seconds": round(cost.seconds, 1), "cpu": round(cost.cpu, 1), "megabytes": round(cost.megabytes)}
    return {**told, **more} if not cost.code else {**told, "code": cost.code, "said": cost.output[-500:]}


def hour_names(world: World) -> tuple[str, str]:
    """The first and the last hour of a world, as the commands take them."""
    return f"{world.start:%Y-%m-%dT%H}", f"{world.end - timedelta(hours=1):%Y-%m-%dT%H}"


def environ_of(server: SampleGitHub, home: str) -> dict[str, str]:
    """Settings by which a command meets that GitHub."""
    return {
        "CI_METRICS_HOME": home,
        "GITHUB_API_URL": server.api_url,
        "GITHUB_TOKEN": server.token,
        "REPO": ",".join(server.world.repos),
        "ENABLE_ERROR_CLASSIFICATION": "true",
    }


def taken_in(world: World, home: str, latency: float = 0.0) -> tuple[Figures, Mapping[str, str]]:
    """One upload of a whole world; its figures, and its settings."""
    first, last = hour_names(world)
    with SampleGitHub(world, quota=10**9) as server:
        server.faults.latency = latency
        environ = environ_of(server, home)
        cost = cost_of("upload", "--from", first, "--to", last, "--json", environ=environ)
        requests = sum(server.stats.total.values())
    return figures(cost, requests=requests), environ


def again(home: str, hours: int) -> dict[str, Figures]:
    """So many hours taken in, unless the folder holds them, and judged again: the last of them,
    more each time, then all. Each time by another classifier than before.
    """
    world = scaled_world(
        runs=5_000 * hours // 720, jobs=4, failure_share=0.5, hours=hours, log_bytes=3_000, repos=4, causes=2_000
    )
    _, last = hour_names(world)
    kept = Path(home) / "settings.json"
    told: dict[str, Figures] = {}
    if not kept.exists():
        told[f"{hours} hours taken in"], environ = taken_in(world, home)
        kept.write_text(json.dumps(environ), encoding="utf-8")
    environ = {**json.loads(kept.read_text(encoding="utf-8")), "CI_METRICS_HOME": home}
    text = TAXONOMY.read_text(encoding="utf-8")
    for part in (10, 4, 2, 1):
        first = f"{world.end - timedelta(hours=hours // part):%Y-%m-%dT%H}"
        taxonomy = Path(home) / f"taxonomy-{part}.toml"
        taxonomy.write_text(text.replace('description = "', f'description = "({part}, {time.time():.0f}) '), "utf-8")
        other = {**environ, "TAXONOMY_FILE": str(taxonomy)}
        cost = cost_of("reclassify", "--from", first, "--to", last, "--json", environ=other)
        told[f"{hours // part} of them judged again" if part > 1 else f"{hours} judged again"] = figures(cost)
    return told


def measure(case: str, hours: int, kept: str | None) -> dict[str, Figures]:
    """The figures of one case; `hours`: of `again`, `kept`: the folder that keeps them."""
    with contextlib.nullcontext(kept) if kept else tempfile.TemporaryDirectory() as home:
        match case:
            case "small":
                taken_in(scaled_world(runs=1, jobs=1, hours=1), f"{home}/warm")  # what is compiled once
                return {"one hour of 15 jobs": taken_in(scaled_world(runs=5, jobs=3, hours=1), f"{home}/data")[0]}
            case "busy":
                return {"one hour of 3,000 jobs, 50 ms": taken_in(scaled_world(), home, latency=0.05)[0]}
            case "large":
                world = scaled_world(runs=10_000, jobs=10, repos=1_000, log_bytes=3_000)
                return {"one hour of 100,000 jobs": taken_in(world, home)[0]}
            case _:
                return again(home, hours)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description="What hours of CI cost")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--hours", type=int, default=720, help="that are judged again")
    parser.add_argument("--home", help="a folder that keeps the hours of `again` for the next time")
    given = parser.parse_args()
    chosen = given.cases or ["small", "busy"]
    if unknown := set(chosen).difference(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}: take of {', '.join(CASES)}")
    print(
        json.dumps(
            {name: told for case in chosen for name, told in measure(case, given.hours, given.home).items()}, indent=2
        )
    )


if __name__ == "__main__":
    main()
