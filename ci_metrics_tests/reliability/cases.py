"""The table of faults: what goes wrong, how it comes about, what it may cost while it lasts.

What belongs here: the cases. Does not: going through them (`campaign.py`), servers that are
something else (`strangers.py`).

Each fault meets one small world; where it strikes is counted or drawn from a seed, so that a
case that fails fails again.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ci_metrics.sample.faults import Fault, FaultKind
from ci_metrics_tests.llm.model_server import Fault as ModelFault
from ci_metrics_tests.reliability.campaign import Case, Cost, NotPossibleError, Site
from ci_metrics_tests.reliability.command import Strike
from ci_metrics_tests.reliability.index_proxy import Answer
from ci_metrics_tests.reliability.index_proxy import Fault as IndexFault
from ci_metrics_tests.reliability.strangers import Stranger, stranger
from ci_metrics_tests.reliability.world import WORLD

#: As often as the client tries one request, so that one of them fails for good.
TRIES = 5

#: Seconds from now to when a quota of 1995 was full again.
DECADES_AGO = -1_000_000_000

#: Processes killed at a write, at a moment: draws from this seed.
SEED = 12
KILLS = 8
#: Writes of files (openings and renames) of an undisturbed run over the world, and the seconds it
#: takes on an idle core.
WRITES, SECONDS = 105, 2.5

#: Answers that are none, the most telling first.
_SPOILT: tuple[FaultKind, ...] = ("html", "break", "shape", "empty", "nested", "gzip", "redirect_loop")

#: Answers that say odd things: they are cleaned and kept.
_ODD: tuple[FaultKind, ...] = ("numbers", "hostile")

#: What is asked for where GitHub has no GraphQL, which answers for a hundred jobs at once.
_ONE_BY_ONE = frozenset({"check_runs", "annotations"})

WELL = frozenset({"complete"})
NAMED = frozenset({"unfinished", "failed"})
ASIDE = frozenset({"unfinished"})
FAILED = frozenset({"failed"})


def _github(
    kind: FaultKind,
    on: str,
    costs: Cost,
    ends: frozenset[str],
    *,
    bounded: bool = False,
    says_otherwise: bool = False,
    **more: Any,
) -> Case:
    fault = {"times": None, **more}
    often = {None: "always", 1: "once"}.get(fault["times"], f"{fault['times']} times")
    details = [f"{name} {value}" for name, value in more.items() if name not in ("times", "count")]
    what = " ".join(["log storage" if on == "log_storage" else on.replace("_", " "), kind, *details, often])

    def inject(site: Site) -> None:
        site.github.faults.add(Fault(kind=kind, on=on, **fault))
        if on in _ONE_BY_ONE:
            site.github.faults.add(Fault(kind="status", on="graphql", status=404, times=None))

    return Case(
        part="GitHub",
        what=what,
        inject=inject,
        costs=costs,
        ends=ends,
        bounded=bounded,
        says_otherwise=says_otherwise,
    )


def _of_github() -> Iterator[Case]:
    yield _github("status", "runs", "anything", FAILED, status=502, bounded=True)
    yield _github("status", "runs", "nothing", WELL, status=502, times=2)
    yield _github("status", "runs", "a repository", ASIDE, status=404, times=1, bounded=True)
    yield _github("status", "runs", "a repository", ASIDE, status=502, times=TRIES, repo=WORLD.repos[0])
    yield _github("status", "jobs", "a run", ASIDE, status=404, times=1, bounded=True)
    yield _github("status", "jobs", "anything", NAMED, status=502)
    yield _github("status", "attempt", "a run", ASIDE, status=404, times=1)
    yield _github("status", "attempt", "anything", NAMED, status=502)
    yield _github("status", "check_runs", "anything", ASIDE, status=502)
    yield _github("status", "annotations", "anything", ASIDE, status=502, bounded=True)
    for kind in _SPOILT[:4]:
        yield _github(kind, "graphql", "nothing", WELL)  # jobs are asked for one by one
    yield _github("status", "graphql", "nothing", WELL, status=502)
    yield _github("status", "*", "nothing", WELL, status=502, every=3)
    yield _github("primary_limit", "*", "anything", NAMED, seconds=3000, after=9)
    yield _github("primary_limit", "*", "anything", NAMED, seconds=DECADES_AGO, after=9)
    for on in ("repo", "contents"):  # default branch and CODEOWNERS, asked once a day
        yield _github("status", on, "anything", ASIDE, status=502, bounded=on == "repo")
        yield _github("html", on, "anything", ASIDE)
    yield _github("secondary_limit", "jobs", "anything", NAMED, status=403, seconds=3000)
    for on in ("runs", "jobs", "check_runs", "annotations"):
        # A job that is missing from the page of check runs is asked for by itself.
        told = NAMED | WELL if on == "check_runs" else NAMED
        yield _github("short", on, "anything", told, count=1, bounded=on == "jobs")
        if on != "annotations":  # they come without a total
            yield _github("overcount", on, "anything", told, count=1)
        for kind in _SPOILT if on == "jobs" else _SPOILT[:3]:
            yield _github(kind, on, "anything", NAMED, bounded=(kind, on) == ("html", "jobs"))
    for on in ("runs", "jobs", "attempt"):
        yield _github("ids", on, "anything", NAMED, count=1, bounded=on == "jobs")
        for kind in _ODD:
            yield _github(kind, on, "nothing", WELL, count=1, says_otherwise=True)
        yield _github("foreign", on, "anything", NAMED, count=1)
    for kind in ("stepless", "runs_as_jobs", "earlier_jobs"):
        yield _github(kind, "jobs", "nothing", WELL, times=1)  # the listing is read again
        yield _github(kind, "jobs", "anything", ASIDE, bounded=kind == "stepless")
    yield _github("elsewhen", "runs", "anything", NAMED, count=1, bounded=True)
    yield _github("attempts", "runs", "nothing", WELL, count=1, bounded=True)  # the run itself is asked
    yield _github("drip", "jobs", "anything", NAMED, seconds=0.02)
    yield _github("drip_head", "jobs", "anything", NAMED, seconds=0.02)
    yield _github("hang", "jobs", "anything", NAMED, seconds=5)
    for kind in (
        "html",
        "html_as_text",
        "half",
        "half_unsized",
        "packed",
        "empty",
        "gzip",
        "break",
        "redirect_loop",
        "cut",
    ):
        yield _github(kind, "log_storage", "anything", ASIDE, bounded=kind == "half_unsized")
    yield _github("status", "log_storage", "anything", ASIDE, status=503, bounded=True)
    # GitHub says that the log is gone: the state is `no_log`, for good.
    yield _github("status", "log", "nothing", WELL, status=404, says_otherwise=True)
    yield _github("drip", "log_storage", "anything", ASIDE, seconds=0.02)


def _of_the_model() -> Iterator[Case]:
    kinds = (
        "500",
        "429",
        "529",
        "401",
        "broken",
        "html",
        "not_json",
        "wrong_shape",
        "foreign",
        "bad_quotes",
        "refusal",
    )
    for kind in (*kinds, "truncated"):

        def inject(site: Site, kind: str = kind) -> None:
            site.model.fault(*[kind] * 1000)

        yield Case(
            part="model",
            what=f"{kind} always",
            inject=inject,
            model=True,
            ends=frozenset({"complete", "unfinished"}),
            # A model that quotes what is not in the log is not believed, and not asked again.
            says_otherwise=kind == "bad_quotes",
            bounded=kind == "500",
        )

    def once(site: Site) -> None:
        site.model.fault("500", "429", "broken")

    def hangs(site: Site) -> None:
        site.model.fault(*[ModelFault("500", seconds=4.0)] * 1000)

    def drips(site: Site) -> None:
        site.model.fault(*[ModelFault("drip", seconds=0.1)] * 1000)

    def gone(site: Site) -> None:
        site.environment["API_BASE_URL"] = "http://127.0.0.1:9"

    model = partial(Case, part="model", model=True)
    yield model(what="three bad answers, then good ones", inject=once, costs="nothing", ends=WELL)
    yield model(what="no answer", inject=hangs, ends=ASIDE)
    yield model(what="an answer that comes a byte now and then", inject=drips, ends=ASIDE)
    yield model(what="nobody at its address", inject=gone, ends=ASIDE)


def _at_the_index(kind: Stranger, *, bounded: bool = False) -> Case:
    def inject(site: Site) -> None:
        address = site.stack.enter_context(stranger(kind))
        for name, setting in (("w", "WORKFLOW_INDEX"), ("j", "JOB_INDEX"), ("s", "STEPS_INDEX")):
            site.environment[setting] = f"{address}/{name}"

    return Case(part="index", what=f"{kind} at its address", inject=inject, ends=FAILED, bounded=bounded)


def _of_the_index() -> Iterator[Case]:
    yield _at_the_index("nobody")
    yield _at_the_index("a page of HTML", bounded=True)
    yield _at_the_index("a page of HTML for 404")
    yield _at_the_index("another service's JSON", bounded=True)
    yield _at_the_index("a list in JSON")
    yield _at_the_index("a refused password")
    yield _at_the_index("a server error")
    yield _at_the_index("a redirect to itself")
    yield _at_the_index("silence")
    yield _at_the_index("no HTTP")
    yield _at_the_index("a byte now and then")

    def locked(site: Site) -> None:
        _index_file(site).write_bytes(b"this is no database, but somebody's notes\n" * 200)

    def cut(site: Site) -> None:
        data = _index_file(site).read_bytes()
        _index_file(site).write_bytes(data[: len(data) // 2])

    def folder(site: Site) -> None:
        _index_file(site).mkdir(parents=True)
        site.stack.callback(_index_file(site).rmdir)

    def lost(site: Site) -> None:
        for file in _index_file(site).parent.glob("index.sqlite*"):
            file.unlink()

    def away(damage: Callable[[Site], None], site: Site) -> None:
        """Damage it; it is moved away, as the message says, when the fault is taken away."""
        _index_file(site).parent.mkdir(parents=True, exist_ok=True)
        damage(site)
        site.stack.callback(lost, site)

    index = partial(Case, part="index", after_a_run=True)
    yield index(what="its file is somebody's notes", inject=partial(away, locked), ends=FAILED, bounded=True)
    yield index(what="its file is cut in half", inject=partial(away, cut), ends=frozenset({"failed", "complete"}))
    yield index(what="its file was deleted", inject=lost, ends=WELL, costs="nothing")
    yield Case(part="index", what="a folder has its name", inject=folder, ends=FAILED)


def _index_file(site: Site) -> Path:
    return site.data / "index.sqlite"


def _through_a_proxy(fault: IndexFault, site: Site) -> None:
    assert site.proxy is not None
    site.proxy.fault = fault


def _of_opensearch() -> Iterator[Case]:
    seen: Counter[str] = Counter()

    def each(number: int, answer: Answer) -> IndexFault:
        def fault(address: str, body: bytes) -> Answer | None:
            seen[str(number)] += 1
            return answer if seen[str(number)] % number == 0 else None

        return fault

    def large(address: str, body: bytes) -> Answer | None:
        return Answer(413, "too large") if "_bulk" in address and len(body) > 20_000 else None

    def bulks(answer: Answer) -> IndexFault:
        return lambda address, body: answer if "_bulk" in address else None

    def refuses(site: Site) -> None:
        assert site.proxy is not None
        site.proxy.refused = "github-job-9000000000-"

    server = partial(Case, part="OpenSearch", opensearch=True)
    yield server(
        what="413 for bulks above 20 kB",
        inject=partial(_through_a_proxy, large),
        ends=WELL,
        costs="nothing",
    )
    yield server(what="503 for every third request", inject=partial(_through_a_proxy, each(3, Answer(503))), ends=WELL)
    yield server(what="503 for all bulks", inject=partial(_through_a_proxy, bulks(Answer(503))), ends=FAILED)
    yield server(what="429 for all bulks", inject=partial(_through_a_proxy, bulks(Answer(429))), ends=FAILED)
    yield server(what="403 for all bulks", inject=partial(_through_a_proxy, bulks(Answer(403))), ends=FAILED)
    yield server(what="bulks break off", inject=partial(_through_a_proxy, bulks(Answer(0))), ends=FAILED)
    yield server(what="one document is refused", inject=refuses, ends=NAMED, costs="an hour")


def _of_the_disk() -> Iterator[Case]:
    def full(site: Site, size: str) -> None:
        _mounted(site, f"size={size}")

    def read_only(site: Site) -> None:
        site.ways.as_nobody = True
        for folder, _, files in os.walk(site.home):
            Path(folder).chmod(0o555)
            for file in files:
                Path(folder, file).chmod(0o444)
        site.stack.callback(_writable, site.home)

    def limited(site: Site, size: int) -> None:
        site.ways.file_bytes = size

    def error(site: Site, name: Any, at: int, where: str) -> None:
        site.ways.strike = Strike(at=at, do=name, where=where)

    disk = partial(Case, part="disk", ends=FAILED)
    for size in ("64k", "512k", "1m", "2m"):
        yield disk(what=f"a file system of {size}", inject=partial(full, size=size), bounded=size == "1m")
    yield disk(what="a folder that may not be written to", inject=read_only, bounded=True)
    yield disk(what="the same, after a run", inject=read_only, after_a_run=True)
    for bytes_ in (4096, 60_000, 200_000):
        yield disk(what=f"no file may grow beyond {bytes_} bytes", inject=partial(limited, size=bytes_))
    for at, where in ((1, "hours/"), (20, "hours/"), (4, "job_logs/"), (30, "hours/state/"), (1, "indexed_documents")):
        what = f"full at write {at} in {where}"
        yield disk(what=what, inject=partial(error, name="ENOSPC", at=at, where=where), bounded=at == 20)
    yield disk(what="read-only from a moment on", inject=partial(error, name="EROFS", at=25, where=""))


def _mounted(site: Site, options: str) -> None:
    """A file system of its own below the home; grown when the fault is taken
    away. Raises NotPossibleError.
    """
    site.data.mkdir(parents=True, exist_ok=True)
    data = str(site.data)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", data], capture_output=True, text=True)
    if done.returncode:
        raise NotPossibleError(f"a file system can be mounted by root only: {done.stderr.strip()}")

    def grow() -> None:
        kept = site.home / "kept"
        shutil.copytree(data, kept)
        subprocess.run(["umount", data], check=True)
        shutil.rmtree(data)
        kept.rename(data)

    site.stack.callback(grow)


def _writable(home: Path) -> None:
    for folder, _, files in os.walk(home):
        Path(folder).chmod(0o755)
        for file in files:
            Path(folder, file).chmod(0o644)


def _of_files() -> Iterator[Case]:
    def spoil(site: Site, pattern: str, how: Callable[[bytes], bytes]) -> None:
        found = sorted(file for file in (site.data / "hours").glob(pattern) if file.is_file())
        assert found, pattern
        for file in found[:2]:
            file.write_bytes(how(file.read_bytes()))

    damages: dict[str, Callable[[bytes], bytes]] = {
        "cut in half": lambda data: data[: len(data) // 2],
        "of another kind": lambda data: b"PK\x03\x04 somebody else's archive",
    }
    patterns = {
        "workflow_runs/*.parquet": True,
        "workflow_jobs/*.parquet": False,
        "job_logs/*.parquet": False,
        "job_logs/*/*.log.zst": False,
        "extracted_errors/*.parquet": False,
        "classifications/*.parquet": False,
        "indexed_documents/*.parquet": False,
        "failure_history/*.parquet": False,
        "state/*/*.json": True,
    }
    for pattern, bounded in patterns.items():
        for damage, how in damages.items():
            yield Case(
                part="files",
                what=f"{pattern} {damage}",
                inject=partial(spoil, pattern=pattern, how=how),
                after_a_run=True,
                bounded=bounded and damage == "cut in half",
            )

    def swapped(site: Site) -> None:
        for file in (site.data / "hours" / "workflow_jobs").glob("*.parquet"):
            file.write_bytes((site.data / "hours" / "workflow_runs" / file.name).read_bytes())

    yield Case(part="files", what="workflow_jobs/*.parquet holds runs", inject=swapped, after_a_run=True, ends=WELL)

    def cache(site: Site) -> None:
        (site.data / "github-cache.sqlite").write_bytes(b"no database " * 500)

    yield Case(part="files", what="the cache of pages is no database", inject=cache, after_a_run=True)


def _of_the_process() -> Iterator[Case]:
    chance = random.Random(SEED)
    killed = frozenset({"killed", "complete"})  # one that was quicker than its moment ends well
    for number in range(KILLS):
        at = chance.randrange(1, WRITES)

        def at_a_write(site: Site, at: int = at) -> None:
            site.ways.strike = Strike(at=at)

        yield Case(
            part="process", what=f"killed at write {at}", inject=at_a_write, ends=killed, bounded=number in (6, 7)
        )
    for _ in range(KILLS // 2):
        seconds = round(chance.uniform(0.1, SECONDS), 2)

        def at_a_moment(site: Site, seconds: float = seconds) -> None:
            site.ways.killed_after = seconds

        yield Case(part="process", what=f"killed after {seconds} s", inject=at_a_moment, ends=killed)


CASES: tuple[Case, ...] = (
    *_of_github(),
    *_of_the_model(),
    *_of_the_index(),
    *_of_opensearch(),
    *_of_the_disk(),
    *_of_files(),
    *_of_the_process(),
)
