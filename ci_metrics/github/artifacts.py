"""One artifact's archive: from the redirect, without the token, whole or not at all.

What belongs here: bytes of an archive. Does not: logs (`download.py`), what is in it. GitHub's
"Download an artifact": a 302 to another host, good for one minute, 410 when it has expired.
"""

from __future__ import annotations

import httpx

from ci_metrics.deadline import Deadline
from ci_metrics.errors import ContractError, NotFoundError, TransientError
from ci_metrics.github.answers import no_answer, shown_address
from ci_metrics.github.request_counts import STORAGE
from ci_metrics.github.transport import Transport, certificates
from ci_metrics.retrying import retrying
from ci_metrics.urls import is_loopback


def download_artifact(transport: Transport, repo: str, artifact_id: int, most: int) -> bytes:
    """The archive. Raises NotFoundError when it is gone, ContractError when it is larger than
    `most` bytes, TransientError when it could not be had now.
    """
    client = httpx.Client(verify=certificates(), trust_env=not is_loopback(transport.api_url), follow_redirects=False)
    with client:
        for attempt in retrying(transport.patience.policy, sleep=transport.sleep):
            with attempt:
                again = attempt.retry_state.attempt_number > 1
                path = f"/repos/{repo}/actions/artifacts/{artifact_id}/zip"
                url = transport.redirect("artifact", path, again=again)
                return _read(transport, client, url, most, again=again)
    raise TransientError(f"artifact {artifact_id} of {repo}: no answer")


def _read(transport: Transport, client: httpx.Client, url: str, most: int, *, again: bool) -> bytes:
    with transport.limiter.free_slot():
        transport.counts.sent(STORAGE, again=again)
        deadline = Deadline(transport.grace)
        try:
            with client.stream("GET", url, extensions=deadline.extensions) as response:
                if response.status_code in (404, 410):
                    where = shown_address(url)
                    raise NotFoundError(
                        f"the storage answered {response.status_code} to {where}", status=response.status_code
                    )
                if response.status_code != 200:
                    raise TransientError(f"the storage answered {response.status_code} to {shown_address(url)}")
                data = bytearray()
                for chunk in deadline.body(response):
                    data += chunk
                    if len(data) > most:
                        raise ContractError(
                            f"the artifact is larger than the {most // 1_000_000} MB that are read of one"
                        )
                return bytes(data)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise no_answer(error, url) from error
