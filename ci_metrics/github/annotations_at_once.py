"""The annotations of a hundred jobs by one question: GitHub's GraphQL API.

What belongs here: the question, what its answer says of each job. Does not: the REST requests that
stand in where there is no answer (`client.py`), sending (`transport.py`).

By REST an hour's annotations cost a request for each run and another for each failed job, as much
as jobs and logs together. Here a hundred jobs are one request, of another quota (GitHub's "Rate
limits for the GraphQL API": a point a request, 5,000 points an hour). What GitHub does not answer
is simply not among the answers: no permission, an old server, a limit, a job that is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, ValidationError

from ci_metrics.errors import CiMetricsError
from ci_metrics.github.json_fields import GitHubObject, Id, MessageText, Name, Number
from ci_metrics.github.schemas import CheckAnnotation
from ci_metrics.github.transport import Transport
from ci_metrics.models import Annotation

_log = logging.getLogger(__name__)

KIND = "graphql"

#: Jobs in one question: as many ids as GitHub takes.
MOST_JOBS = 100
#: Annotations of a job that are asked for; one that has more is asked for them by REST.
MOST_ANNOTATIONS = 50

_QUESTION = """query($ids: [ID!]!, $most: Int!) {
  nodes(ids: $ids) {
    ... on CheckRun {
      id
      databaseId
      status
      annotations(first: $most) {
        totalCount
        nodes { annotationLevel message title path location { start { line } } }
      }
    }
  }
}"""


class _Point(GitHubObject):
    line: Number = None


class _Place(GitHubObject):
    start: _Point = _Point()


class _Note(GitHubObject):
    noun: ClassVar[str] = "annotation"
    annotationLevel: Name = "NOTICE"  # noqa: N815 - GitHub's names
    message: MessageText = ""
    title: Name = ""
    path: Name = ""
    location: _Place = _Place()

    def record(self) -> Annotation:
        return CheckAnnotation(
            annotation_level=self.annotationLevel.lower(),
            message=self.message,
            title=self.title,
            path=self.path,
            start_line=self.location.start.line,
        ).record()


class _Notes(GitHubObject):
    totalCount: Annotated[int, Field(strict=True, ge=0)]  # noqa: N815
    nodes: list[_Note]


class _Check(GitHubObject):
    noun: ClassVar[str] = "check run"
    id: Name
    databaseId: Id  # noqa: N815 - the job's
    status: Name = ""
    annotations: _Notes


class _Data(GitHubObject):
    nodes: list[_Check | None]


class _Answer(GitHubObject):
    data: _Data | None = None


def annotations_at_once(transport: Transport, nodes: Mapping[str, int]) -> dict[int, tuple[Annotation, ...]] | None:
    """The annotations of jobs by their ids, as far as GitHub answers whole; None where it does not
    answer at all, so that asking again is in vain.

    `nodes`: GraphQL id -> job id, of at most `MOST_JOBS` jobs that have ended. Asked once; raises
    nothing.
    """
    body = {"query": _QUESTION, "variables": {"ids": list(nodes), "most": MOST_ANNOTATIONS}}
    try:
        url = graphql_url(transport.api_url)
        answer = _Answer.model_validate(transport.write(KIND, "POST", url, body, repeatable=False))
    except ValidationError as error:
        _log.info("%s: the answer is of another shape (%d errors)", KIND, error.error_count())
        return None
    except CiMetricsError as error:
        _log.info("%s: %s", KIND, error)
        return None
    if answer.data is None:
        return None
    return {
        check.databaseId: tuple(note.record() for note in check.annotations.nodes)
        for check in answer.data.nodes
        if check is not None and _is_whole(check, nodes)
    }


def _is_whole(check: _Check, asked: Mapping[str, int]) -> bool:
    notes = check.annotations
    return (
        asked.get(check.id) == check.databaseId
        and check.status == "COMPLETED"
        and notes.totalCount == len(notes.nodes) <= MOST_ANNOTATIONS
    )


def graphql_url(api_url: str) -> str:
    """Where GraphQL is asked: beside the REST API on GitHub Enterprise, below it elsewhere."""
    return f"{api_url.removesuffix('/v3')}/graphql"
