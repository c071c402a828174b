"""How many requests an hour costs in an object store: `python bench/object_store_requests.py`.

Serves an hour of 15 runs (150 jobs, 15 of them failed) on loopback, and an S3 (moto's). Counts what
the chain asks of the S3 for the hour as it is first done, for the same hour while nothing has
changed, and for one look at the states of 30 days (720 hours), in a process that knows nothing yet
each time. The index is the embedded one, which costs the S3 nothing. Fails when one of them costs
more than its target.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta

from ci_metrics.commands.launch import run_hours
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import hour_key, hour_start
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.storage.hour_states import HourStates
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.object_store import ObjectStore, object_store

#: Requests that each may cost.
TARGETS = {"first": 120, "unchanged": 20, "sweep": 60}


def one_hour(settings: Settings, hour: str) -> None:
    """The chain over an hour, as a pod of its own does it."""
    with open_instance(settings) as instance:
        if not run_hours(settings, instance, INGEST, hour, hour, quiet=True).success:
            raise SystemExit("the run failed: see above")


def copied(settings: Settings, hour: str, hours: int) -> None:
    """The state of `hour` for the `hours` before it, too."""
    store = HoursPart(settings).store
    state, states = store.state(hour), HourStates(store.root)
    for back in range(1, hours):
        states.write(hour_key(hour_start(hour) - timedelta(hours=back)), state, state)


def measured(store: ObjectStore, address: str, hours: int = 720) -> dict[str, Counter[str]]:
    """The requests of each, by method; `hours`: of the sweep."""
    world = scaled_world(runs=15, jobs=10, failure_share=0.1)
    found: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder, SampleGitHub(world, quota=10**9) as server:
        environ = {
            "CI_METRICS_HOME": folder,
            "HOURS_URL": address,
            "GITHUB_API_URL": server.api_url,
            "GITHUB_TOKEN": server.token,
            "REPO": ",".join(world.repos),
            "ENABLE_ERROR_CLASSIFICATION": "true",
            "PARTITIONS_START": world.start.isoformat(),
        }
        settings, hour = load_settings(environ), hour_key(world.start)
        for name in ("first", "unchanged"):
            began = datetime.now(UTC)
            with store.counting() as found[name]:
                one_hour(settings, hour)
            state = HoursPart(settings).store.state(hour)
            if not state.is_finished or min(record.seen for record in state.assets.values()) < began:
                raise SystemExit("what was done is not noted: the figures are worth nothing")
        copied(settings, hour, hours)
        HoursPart(settings).store.states()  # the first look of all makes the months' caches
        with store.counting() as found["sweep"]:
            HoursPart(settings).store.states()
    return found


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbose", action="store_true", help="print each request")
    given = parser.parse_args()
    good = True
    with object_store() as store:
        for name, count in measured(store, store.make_bucket("hours") + "/ci-metrics").items():
            fits = count.total() <= TARGETS[name]
            good = good and fits
            methods = ", ".join(f"{method} {n}" for method, n in count.most_common())
            print(f"{'PASS' if fits else 'FAIL'}: {name} {count.total()} requests (target {TARGETS[name]}): {methods}")
        if given.verbose:
            for method, path in store.asked:
                print(method, path)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
