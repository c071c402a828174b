"""Four pods over one bucket: what one of them does, the others see, and it is done once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upath import UPath

from bench.object_store_requests import TARGETS, measured
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.commands.doctor import look
from ci_metrics.errors import OvertakenError
from ci_metrics.github.conditional import KeptAnswer
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.llm.clients import build_client
from ci_metrics.models import Annotation
from ci_metrics.orchestration.parts import GitHubPart, batches_folder
from ci_metrics.orchestration.storage.atomic_files import change, create, fetch, put
from ci_metrics.orchestration.storage.batch_files import FileBatchLedger
from ci_metrics.orchestration.storage.conditional_objects import ObjectConditionalCache
from ci_metrics.orchestration.storage.hour_states import listing
from ci_metrics.orchestration.storage.marked_hours import MarkedHours
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.orchestration.storage.verdict_store import IndexVerdictStore
from ci_metrics.settings import load_settings, with_values
from ci_metrics.verdicts.batches import Batches
from ci_metrics.verdicts.judge import Judge
from ci_metrics_tests.llm.model_server import KEY, ModelServer
from ci_metrics_tests.object_store import ObjectStore, object_store
from ci_metrics_tests.verdicts.failures import NOON, FixedRules, failure

QUESTIONS = 7
HOUR = "2026-03-02T05"
MOMENT = datetime(2026, 3, 2, 6, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def s3() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


@pytest.fixture
def bucket(s3: ObjectStore, request: pytest.FixtureRequest) -> str:
    return s3.make_bucket(f"b-{abs(hash(request.node.name))}")


def pod(hours: str, index: str, model: str) -> None:
    """What one process does: judge the same failures, then collect, each when it is told to."""
    environ = {"API_BASE_URL": model, "ANTHROPIC_API_KEY": KEY, "ENABLE_ERROR_CLASSIFICATION": "true"}
    settings = load_settings(environ)
    client = build_client(settings)
    assert client is not None
    documents = EmbeddedIndex(Path(index))
    documents.ensure()
    store = IndexVerdictStore(documents)
    ledger = FileBatchLedger(UPath(hours) / "batches")
    batches = Batches(settings=settings, taxonomy=load_taxonomy(None), model=client, store=store, ledger=ledger)
    judge = Judge(
        settings=settings,
        taxonomy=load_taxonomy(None),
        rules=FixedRules(),
        store=store,
        model=client,
        batches=batches,
        redact=lambda text: (text, 0),
    )
    failures = [failure(n, job_id=n, hour=NOON + timedelta(hours=n % 2)) for n in range(QUESTIONS)]
    for line in sys.stdin:
        if line == "judge\n":
            said: Counter[str] = Counter(verdict.state for verdict in judge.judge(failures, defer_to_batches=True))
        else:
            said = Counter({"collected": batches.collect().verdicts})
        print(json.dumps(said), flush=True)


class Pods:
    """Processes that do one thing at the same time."""

    def __init__(self, number: int, *arguments: str) -> None:
        code = "import sys; from ci_metrics_tests.orchestration.test_pods import pod; print(0, flush=True); pod(*sys.argv[1:])"
        command = [sys.executable, "-c", code, *arguments]
        self.processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(number)
        ]
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "0\n"

    def all(self, what: str) -> list[dict[str, int]]:
        """What each of them says."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{what}\n")
            process.stdin.flush()
        return [json.loads(process.stdout.readline()) for process in self.processes if process.stdout is not None]

    def end(self) -> None:
        for process in self.processes:
            process.communicate(timeout=60)


@pytest.mark.slow
def test_four_pods_submit_and_collect_one_batch_once(bucket: str, tmp_path: Path) -> None:
    with ModelServer() as model:
        pods = Pods(4, bucket, str(tmp_path / "index.sqlite"), model.url)
        try:
            assert pods.all("judge") == [{"pending": QUESTIONS}] * 4
            [batch] = model.batches.values()
            assert len(batch.requests) == QUESTIONS
            assert pods.all("judge") == [{"pending": QUESTIONS}] * 4
            assert pods.all("collect") == [{"collected": 0}] * 4
            model.end_batches()
            assert sorted(each["collected"] for each in pods.all("collect")) == [0, 0, 0, QUESTIONS]
            assert pods.all("judge") == [{"classified": QUESTIONS}] * 4
            assert len(model.batches) == 1
            assert {request["path"] for request in model.requests} == {"/v1/messages/batches"}
        finally:
            pods.end()


def test_of_several_that_make_one_object_one_does_and_what_it_wrote_stays(bucket: str) -> None:
    path = UPath(bucket) / "a" / "b.json"
    assert [create(path, data) for data in (b"1", b"2")] == [True, False]
    assert fetch(path) == b"1"
    assert list(listing(path.parent)) == ["b.json"]


def test_of_two_runs_over_one_hour_in_a_bucket_no_record_is_forgotten(bucket: str) -> None:
    """The one that has not seen the other's record meets it when it writes."""
    one, two = HourStore(bucket), HourStore(bucket)
    one.look(HOUR)
    two.look(HOUR)
    two.commit("job_logs", HOUR, [], Annotation, notes={}, status={}, now=MOMENT)
    one.commit("workflow_jobs", HOUR, [], Annotation, notes={}, status={}, now=MOMENT)
    assert set(HourStore(bucket).state(HOUR).assets) == {"job_logs", "workflow_jobs"}
    one.look(HOUR)
    two.look(HOUR, anew=True)
    said = [Annotation(level="notice", message="two")]
    two.commit("workflow_jobs", HOUR, said, Annotation, notes={}, status={}, now=MOMENT)
    with pytest.raises(OvertakenError, match="workflow_jobs of hour"):
        one.commit("workflow_jobs", HOUR, [], Annotation, notes={}, status={}, now=MOMENT)
    assert HourStore(bucket).read("workflow_jobs", HOUR, Annotation) == said


def test_looks_that_found_nothing_new_are_written_together_and_never_over_another_runs_rows(bucket: str) -> None:
    for asset in ("workflow_runs", "workflow_jobs"):
        HourStore(bucket).commit(asset, HOUR, [], Annotation, notes={}, status={}, now=MOMENT)
    later = MOMENT + timedelta(hours=1)
    run, other = HourStore(bucket), HourStore(bucket)
    for asset in ("workflow_runs", "workflow_jobs"):
        run.look(HOUR, gathers=True)
        run.read(asset, HOUR, Annotation)
        run.commit(asset, HOUR, [], Annotation, notes={}, status={"runs": 0}, now=later)
    assert {record.seen for record in HourStore(bucket).state(HOUR).assets.values()} == {MOMENT}
    said = [Annotation(level="notice", message="other")]
    other.commit("workflow_jobs", HOUR, said, Annotation, notes={}, status={}, now=MOMENT)
    run.write_gathered()
    state = HourStore(bucket).state(HOUR)
    assert {name: record.seen for name, record in state.assets.items()} == {
        "workflow_runs": later,
        "workflow_jobs": MOMENT,
    }
    assert HourStore(bucket).read("workflow_jobs", HOUR, Annotation) == said


def test_a_listing_that_one_pod_kept_is_asked_for_with_its_etag_by_the_next(bucket: str, s3: ObjectStore) -> None:
    listing_of = "https://api.example/repos/acme/shop/actions/runs?created=2026-03-02T05:00:00Z..2026-03-02T05:59:59Z"
    kept = KeptAnswer('"1"', b'{"total_count": 0}', "<next>")
    with ObjectConditionalCache(UPath(bucket) / "github-cache") as cache:
        cache.put("token-1", listing_of, kept)
        cache.put("token-1", "https://api.example/repos/acme/shop/actions/runs/1/jobs", kept)
    with s3.counting() as asked, ObjectConditionalCache(UPath(bucket) / "github-cache") as cache:
        assert [cache.get(scope, listing_of) for scope in ("token-1", "token-2")] == [kept, None]
        assert cache.get("token-1", "https://api.example/repos/acme/shop/actions/runs/1/jobs") is None
    assert asked == {"GET": 1}


def test_what_pods_share_lies_beside_the_hours(bucket: str, tmp_path: Path) -> None:
    environ = {"CI_METRICS_HOME": str(tmp_path), "HOURS_URL": bucket, "GITHUB_TOKEN": "t", "REPO": "acme/shop"}
    settings = load_settings(environ)
    assert str(batches_folder(settings)) == f"{bucket}/batches"
    assert not [path for path in tmp_path.rglob("*") if "batches" in path.name]
    part = GitHubPart(settings)
    assert part.client.requests.total == 0
    part.close()
    assert not list(tmp_path.rglob("github-cache*"))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("s3://no-such-bucket/hours", "cannot be written .*the bucket is there: ci-metrics makes none"),
        ("", "can be written, and keeps processes apart"),
    ],
)
def test_the_doctor_tries_the_bucket_and_makes_none(
    address: str, says: str, bucket: str, s3: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"CI_METRICS_HOME": str(tmp_path), "HOURS_URL": address or bucket}.items():
        monkeypatch.setenv(name, value)
    before = s3.buckets()
    [found] = [each for each in look() if each.part == "HOURS_URL"]
    assert re.search(says, found.says), found.says
    assert found.state == ("wrong" if address else "ok")
    assert s3.buckets() == before
    assert listing(UPath(bucket)) == {}, "nothing is left of the trial"


def test_an_index_that_other_pods_cannot_see_is_said_aloud(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings({"HOURS_URL": bucket, "GITHUB_TOKEN": "t", "REPO": "acme/shop"})
    assert settings.shares_hours_alone
    assert not with_values(settings, hours_url=str(tmp_path)).shares_hours_alone
    there = {f"{kind}_index": f"http://host:9200/{kind}" for kind in ("workflow", "job", "steps")}
    assert not with_values(settings, **there).shares_hours_alone


def test_what_another_pod_writes_between_a_look_and_a_write_is_not_forgotten(bucket: str) -> None:
    path, seen = UPath(bucket) / "a.json", list[bytes | None]()

    def changed(data: bytes | None) -> bytes:
        seen.append(data)
        if len(seen) == 1:
            put(path, b"other")
        return (data or b"") + b"+ours"

    change(path, UPath(bucket) / ".lock", changed)
    assert seen == [None, b"other"]
    assert fetch(path) == b"other+ours"


def test_marks_of_two_pods_are_both_kept(bucket: str) -> None:
    one, two = MarkedHours(UPath(bucket)), MarkedHours(UPath(bucket))
    one.mark({HOUR: ["acme/shop"]}, MOMENT)
    two.mark({HOUR: ["acme/site"]}, MOMENT)
    assert set(one.read()[HOUR]) == {"acme/shop", "acme/site"}


@pytest.mark.slow
def test_an_hour_costs_an_object_store_few_requests(s3: ObjectStore) -> None:
    """The figures of the page on operation; `bench/object_store_requests.py` prints them."""
    found = measured(s3, s3.make_bucket("few") + "/hours", hours=24)
    assert {name: count.total() <= TARGETS[name] for name, count in found.items()} == dict.fromkeys(TARGETS, True), (
        found
    )
