"""How fast documents get into an index: ours against opensearch-py's own
`helpers.parallel_bulk`, as a ratio in one run.

    python -m bench.bulk [--url http://127.0.0.1:9200] [--documents 20000] [--rounds 6]

Both write the same job documents (with a verdict, a quote and nested errors each) into indices with
the same mappings, in turn, with the same first chunk sizes and threads, each first as often as
second; two rounds warm the server up and are not counted. The server does most of the work, so
wall-clock figures mean little on a busy machine; the client's own CPU time is given beside them.
Without --url a server is started. The embedded index writes the same documents for comparison. JSON
on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from opensearchpy import OpenSearch, helpers

from ci_metrics.index.document_index import Document
from ci_metrics.index.documents import job_document
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.mappings import IndexLayout, index_settings, mapping_of
from ci_metrics.index.open import open_index
from ci_metrics.index.opensearch_bulk import AT_ONCE, CHUNK_BYTES, CHUNK_DOCUMENTS
from ci_metrics.settings import load_settings
from ci_metrics_tests import opensearch_server
from ci_metrics_tests.builders import a_job, a_run, a_verdict, an_error
from ci_metrics_tests.index.corpus import PROVENANCE, an_outcome

NAMES = {"WORKFLOW_INDEX": "bench-workflows", "JOB_INDEX": "bench-jobs", "STEPS_INDEX": "bench-steps"}
PLAIN = "bench-plain"

#: Of the server that is started: with the 512 MB of the tests' it refuses some of the peer's
#: requests (429), which the peer does not repeat.
HEAP = "2g"
VERDICTS = "bench-verdicts"


def documents_of(count: int) -> list[Document]:
    """Job documents of some 3 KB, each different."""
    run = a_run()
    return [
        job_document(
            run,
            a_job(job_id=number, name=f"job {number}"),
            an_outcome(
                (an_error(fingerprint=f"v1-{number % 500}"), a_verdict(summary=f"Number {number}. " + "word " * 100))
            ),
            PROVENANCE,
        )
        for number in range(count)
    ]


def seconds_of(work: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock seconds, and this process's CPU seconds."""
    begun, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begun, time.process_time() - cpu


def measure(url: str, documents: list[Document], rounds: int) -> dict[str, object]:
    """Medians over the rounds, and their ratio."""
    client = OpenSearch(url, timeout=120)
    settings = load_settings(
        {**{name: f"{url}/{index}" for name, index in NAMES.items()}, "ERROR_CLASSIFICATION_INDEX": VERDICTS}
    )
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    embedded: list[tuple[float, float]] = []

    def plain() -> None:
        actions = ({"_index": PLAIN, "_id": d.id, "_source": d.body} for d in documents)
        sent = helpers.parallel_bulk(
            client, actions, thread_count=AT_ONCE, chunk_size=CHUNK_DOCUMENTS, max_chunk_bytes=CHUNK_BYTES
        )
        assert all(ok for ok, _ in sent)

    for number in range(rounds + 2):
        for name in (*NAMES.values(), PLAIN, VERDICTS):
            client.indices.delete(index=name, ignore=404)
        client.indices.create(
            index=PLAIN, body={"settings": index_settings(IndexLayout()), "mappings": mapping_of("jobs")}
        )
        index = open_index(settings)
        index.ensure()
        client.cluster.health(wait_for_status="yellow", params={"wait_for_no_initializing_shards": "true"})
        turns: list[tuple[list[tuple[float, float]], Callable[[], object]]] = [
            (ours, partial(index.upsert, documents)),
            (theirs, plain),
        ]
        for figures, work in turns if number % 2 else reversed(turns):
            figures.append(seconds_of(work))
        index.close()
        with tempfile.TemporaryDirectory() as folder:
            small = EmbeddedIndex(Path(folder) / "index.sqlite")
            small.ensure()
            embedded.append(seconds_of(partial(small.upsert, documents)))
            small.close()
    for name in (*NAMES.values(), PLAIN, VERDICTS):
        client.indices.delete(index=name, ignore=404)
        client.indices.delete_index_template(name=f"ci-metrics-{name}", ignore=404)
    client.close()
    mine, plain_wall, small_wall = (statistics.median(wall for wall, _ in f[2:]) for f in (ours, theirs, embedded))
    cpu, plain_cpu = (statistics.median(used for _, used in figures[2:]) for figures in (ours, theirs))
    return {
        "documents": len(documents),
        "bytes": sum(len(json.dumps(document.body)) for document in documents),
        "ours_seconds": round(mine, 3),
        "opensearch_py_parallel_bulk_seconds": round(plain_wall, 3),
        "embedded_seconds": round(small_wall, 3),
        "embedded_per_cpu_second": round(len(documents) / statistics.median(used for _, used in embedded[2:])),
        "speed_beside_it": round(plain_wall / mine, 3),
        "speed_by_round": [round(b[0] / a[0], 2) for a, b in zip(ours[2:], theirs[2:], strict=True)],
        "client_cpu_ratio": round(cpu / plain_cpu, 3),
    }


def main() -> None:
    """Start a server if none is named, measure, print."""
    parser = argparse.ArgumentParser(description="Bulk writing beside opensearch-py's helpers.parallel_bulk")
    parser.add_argument("--url", default=os.environ.get("OPENSEARCH_TEST_URL", ""))
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=6)
    given = parser.parse_args()
    os.environ.setdefault("OPENSEARCH_HEAP", HEAP)
    opensearch_server.begin_session()
    try:
        url = given.url or opensearch_server.server_url()
        print(json.dumps(measure(url.rstrip("/"), documents_of(given.documents), given.rounds), indent=2))
    finally:
        opensearch_server.end_session()


if __name__ == "__main__":
    main()
