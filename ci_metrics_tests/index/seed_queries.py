"""The five queries that users of the predecessor know by heart, word for word,
and what they must answer.

What belongs here: the requests as people type them (only the index's name is put in), and a check
of the answers against a known truth. Does not: making documents. Any corpus whose truth is known
can be checked: the small one here, the sample's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from opensearchpy import OpenSearch

from ci_metrics_tests.index.corpus import JobTruth

BY_CATEGORY = """
{
  "query": {
    "term": { "s_error_type": "infrastructure_error" }
  }
}
"""

DISTRIBUTION = """
{
  "size": 0,
  "aggs": {
    "error_distribution": {
      "terms": {
        "field": "s_error_type",
        "size": 10
      }
    }
  }
}
"""

HIGH_CONFIDENCE = """
{
  "query": {
    "bool": {
      "must": [
        { "term": { "s_status": "failure" } },
        { "range": { "f_error_confidence": { "gte": 0.8 } } }
      ]
    }
  }
}
"""

BY_WORKFLOW = """
{
  "query": {
    "term": { "s_workflow_id": "21689681963" }
  },
  "_source": ["s_job_name", "s_error_type", "s_error_summary", "f_error_confidence"]
}
"""

CLASSIFIED = """
{
  "query": {
    "exists": { "field": "s_error_type" }
  },
  "size": 10
}
"""


def assert_seed_queries(client: OpenSearch, index: str, truth: Sequence[JobTruth]) -> None:
    """Every query gives the truth. The index holds exactly the documents of `truth`; queries
    without a size show ten hits at most.
    """
    types = Counter(job.error_type for job in truth if job.error_type)

    infrastructure = {job.id for job in truth if job.error_type == "infrastructure_error"}
    _assert_hits(_search(client, index, BY_CATEGORY), infrastructure)

    buckets = _search(client, index, DISTRIBUTION)["aggregations"]["error_distribution"]["buckets"]
    assert {bucket["key"]: bucket["doc_count"] for bucket in buckets} == dict(types.most_common(10))

    sure = {job.id for job in truth if job.status == "failure" and (job.confidence or 0) >= 0.8}
    _assert_hits(_search(client, index, HIGH_CONFIDENCE), sure)

    for workflow_id in sorted({job.workflow_id for job in truth}):
        answer = _search(client, index, BY_WORKFLOW.replace("21689681963", workflow_id))
        of_workflow = {job.id: job for job in truth if job.workflow_id == workflow_id}
        _assert_hits(answer, set(of_workflow))
        for hit in answer["hits"]["hits"]:
            expected = of_workflow[hit["_id"]]
            assert hit["_source"]["s_job_name"] == expected.job_name
            assert hit["_source"].get("s_error_type") == expected.error_type

    _assert_hits(_search(client, index, CLASSIFIED), {job.id for job in truth if job.error_type})


def _search(client: OpenSearch, index: str, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.search(index=index, body=json.loads(query))
    return answer


def _assert_hits(answer: dict[str, Any], expected: set[str]) -> None:
    found = {hit["_id"] for hit in answer["hits"]["hits"]}
    assert answer["hits"]["total"]["value"] == len(expected)
    assert found <= expected
    assert len(found) == min(10, len(expected))
