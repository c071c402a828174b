"""One job's log: from the redirect, without the token, streamed, capped with a visible mark.

What belongs here: bytes of a log on their way to a writer. Does not: their text, where they are kept.
GitHub's "Download job logs for a workflow run": a 302 to another host, good for one minute, 404 when there is none, 410
when it has expired.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import urljoin

import httpx

from ci_metrics.errors import NotFoundError, TransientError
from ci_metrics.github.answers import no_answer, place
from ci_metrics.github.capped_log import CappedLog
from ci_metrics.github.request_counts import STORAGE
from ci_metrics.github.transport import Transport, certificates, is_loopback
from ci_metrics.models import Job, JobLog, LogState
from ci_metrics.retrying import retrying

_CHUNK = 256 * 1024
_MAX_REDIRECTS = 3


class LogDownloads:
    """Downloads logs. Its client knows no token. Safe for many threads."""

    def __init__(self, transport: Transport) -> None:
        """`transport` asks GitHub for the addresses."""
        self._transport = transport
        # These log each address at INFO or DEBUG, and a log's address carries the signature that opens it.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = httpx.Client(
            verify=certificates(),
            timeout=httpx.Timeout(60, connect=15),
            trust_env=not is_loopback(transport.api_url),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def download(self, job: Job, write: Callable[[bytes], None], max_bytes: int) -> JobLog:
        """Write the log of `job`, at most about `max_bytes` of it; what became of it is in the result.

        Nothing but "stored" means that `write` got a whole log: throw away what it got otherwise.
        """
        sink = CappedLog(write, max_bytes)
        try:
            self._stream(job, sink)
        except NotFoundError as error:
            state: LogState = "gone" if error.status == 410 else "not_found"
            return _log_of(job, state, error.status, detail=str(error))
        except TransientError as error:
            return _log_of(job, "unavailable", None, detail=str(error))
        sink.finish()
        if sink.received == 0:
            return _log_of(job, "not_found", 200, detail="The log is empty: the job ended before any step wrote to it")
        return _log_of(job, "stored", 200, raw_bytes=sink.received, truncated=sink.truncated)

    def _stream(self, job: Job, sink: CappedLog) -> None:
        """Repeat until all has arrived. A repetition asks for a fresh address and goes on where the last one ended."""
        for attempt in retrying(self._transport.patience.policy, sleep=self._transport.sleep):
            with attempt:
                again = attempt.retry_state.attempt_number > 1
                path = f"/repos/{job.repo}/actions/jobs/{job.job_id}/logs"
                url = self._transport.redirect("log", path, again=again)
                self._fetch(url, sink, again)

    def _fetch(self, url: str, sink: CappedLog, again: bool) -> None:
        for _ in range(_MAX_REDIRECTS):
            headers = {"Range": f"bytes={sink.received}-"} if sink.received else {}
            with self._transport.limiter.free_slot():
                self._transport.counts.sent(STORAGE, again=again)
                try:
                    with self._client.stream("GET", url, headers=headers) as response:
                        if not 300 <= response.status_code < 400:
                            return self._read(response, url, sink)
                        url = urljoin(url, response.headers.get("location", ""))
                except httpx.RequestError as error:
                    raise no_answer(error, url) from error
        raise TransientError(f"{place(url)}: the log storage keeps pointing elsewhere")

    def _read(self, response: httpx.Response, url: str, sink: CappedLog) -> None:
        status = response.status_code
        if status == 416 and sink.received:  # everything had arrived, only the end of the connection was lost
            return
        if status in (404, 410):
            raise NotFoundError(f"The log storage answered {status} to {place(url)}", status=status)
        if status not in (200, 206):
            # 403: the minute was over; 5xx: trouble there. Both are over with a fresh address, or later.
            raise TransientError(f"The log storage answered {status} to {place(url)}")
        if "html" in response.headers.get("content-type", ""):
            raise TransientError(
                f"{place(url)} gave an HTML page where a log was expected: is there a proxy in between?"
            )
        skip = sink.received if status == 200 else 0
        length = response.headers.get("content-length", "")
        if length.isdigit() and "content-encoding" not in response.headers:
            sink.expect(int(length) + (sink.received if status == 206 else 0))
        for chunk in response.iter_bytes(_CHUNK):
            if skip >= len(chunk):
                skip -= len(chunk)
                continue
            sink.feed(chunk[skip:])
            skip = 0


def _log_of(
    job: Job, state: LogState, status: int | None, *, raw_bytes: int = 0, truncated: bool = False, detail: str = ""
) -> JobLog:
    return JobLog(
        repo=job.repo,
        run_id=job.run_id,
        run_attempt=job.run_attempt,
        job_id=job.job_id,
        state=state,
        http_status=status,
        raw_bytes=raw_bytes,
        truncated=truncated,
        detail=detail,
    )
