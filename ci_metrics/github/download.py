"""One job's log: from the redirect, without the token, streamed, known to be whole,
capped with a visible mark.

What belongs here: bytes of a log on their way to a writer. Does not: how a log ends (`log_end.py`),
its text, where it is kept. GitHub's "Download job logs for a workflow run": a 302 to another host,
good for one minute, 404 when there is none, 410 when it has expired.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable

import httpx

from ci_metrics.deadline import Deadline
from ci_metrics.errors import NotFoundError, TransientError
from ci_metrics.github.answers import joined, no_answer, shown_address, whole_number
from ci_metrics.github.capped_log import CappedLog
from ci_metrics.github.log_end import LogEnd, any_step_ended, content_range, ended, is_a_page
from ci_metrics.github.request_counts import STORAGE
from ci_metrics.github.text import shown
from ci_metrics.github.transport import Transport, certificates
from ci_metrics.models import Job, JobLog, LogState
from ci_metrics.retrying import retrying
from ci_metrics.urls import is_loopback

#: GitHub redirects a log once, to its storage.
_MAX_REDIRECTS = 3

#: How a log may be packed on its way: what every httpx unpacks, whatever else is installed.
_PACKINGS = frozenset({"", "identity", "gzip"})


class LogDownloads:
    """Downloads logs. Its client knows no token. Safe for many threads."""

    def __init__(self, transport: Transport) -> None:
        """`transport` asks GitHub for the addresses."""
        self._transport = transport
        # These log each address at INFO or DEBUG, and a log's address carries the
        # signature that opens it.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = httpx.Client(
            verify=certificates(),
            trust_env=not is_loopback(transport.api_url),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def download(
        self, job: Job, write: Callable[[bytes], None], max_bytes: int, earlier: JobLog | None = None
    ) -> JobLog:
        """Write the log of `job`, at most about `max_bytes` of it; what
        became of it is in the result.

        Nothing but "stored" means that `write` got a whole log: throw away what it got otherwise. A
        log that arrived as a whole but does not end as the runner ends it (or is empty) is
        "unavailable", until a later look finds the same: `earlier`.
        """
        transfer = _Transfer(CappedLog(write, max_bytes))
        try:
            self._stream(job, transfer)
        except NotFoundError as error:
            state: LogState = "gone" if error.status == 410 else "not_found"
            return _log_of(job, state, error.status, detail=str(error))
        except TransientError as error:
            return _log_of(job, "unavailable", None, detail=str(error))
        sink = transfer.sink
        sink.finish()
        again = earlier is not None and (earlier.http_status, earlier.raw_bytes) == (200, sink.received)
        if sink.received == 0:
            empty = "The log is empty: the job ended before any step wrote to it"
            return _log_of(job, "not_found" if again or not any_step_ended(job) else "unavailable", 200, detail=empty)
        lacks = transfer.spoilt
        if not lacks and ended(job) and not transfer.end.is_the_runners:
            lacks = "The log does not end as the runner ends it"
        if lacks and not again:
            return _log_of(job, "unavailable", 200, raw_bytes=sink.received, detail=f"{lacks}: it is asked for again")
        return _log_of(job, "stored", 200, raw_bytes=sink.received, truncated=sink.truncated, detail=lacks)

    def _stream(self, job: Job, transfer: _Transfer) -> None:
        """Repeat until all has arrived. A repetition asks for a fresh address and goes on
        where the last one ended.
        """
        for attempt in retrying(self._transport.patience.policy, sleep=self._transport.sleep):
            with attempt:
                again = attempt.retry_state.attempt_number > 1
                path = f"/repos/{job.repo}/actions/jobs/{job.job_id}/logs"
                url = self._transport.redirect("log", path, again=again)
                self._fetch(url, transfer, again)

    def _fetch(self, url: str, transfer: _Transfer, again: bool) -> None:
        for _ in range(_MAX_REDIRECTS):
            with self._transport.limiter.free_slot():
                self._transport.counts.sent(STORAGE, again=again)
                try:
                    deadline = Deadline(self._transport.grace)
                    asked = self._client.stream("GET", url, headers=transfer.headers(), extensions=deadline.extensions)
                    with asked as response:
                        if not 300 <= response.status_code < 400:
                            return transfer.take(response, url, deadline)
                        url = joined(url, response.headers.get("location", ""))
                except (httpx.RequestError, httpx.InvalidURL) as error:
                    raise no_answer(error, url) from error
        raise TransientError(f"{shown_address(url)}: the log storage keeps pointing elsewhere")


class _Transfer:
    """One log on its way, over as many answers as it takes."""

    def __init__(self, sink: CappedLog) -> None:
        self.sink = sink
        self.end = LogEnd()
        self.spoilt = ""  # what is wrong with the bytes that came
        self._etag = ""
        self._encoded = False  # packed on the way: then the storage counts other bytes than we do
        self._digest = hashlib.md5(usedforsecurity=False)

    def headers(self) -> dict[str, str]:
        """What to ask for: the rest."""
        rest = {"Range": f"bytes={self.sink.received}-"} if self.sink.received and not self._encoded else {}
        return {"Accept-Encoding": "gzip", **rest}

    def take(self, response: httpx.Response, url: str, deadline: Deadline) -> None:
        """Read one answer to its end. NotFoundError; TransientError when the
        log is not whole after it.
        """
        status, sink = response.status_code, self.sink
        start, total = content_range(response.headers.get("content-range", ""))
        if status == 416 and sink.received and total in (None, sink.received):
            return  # everything had arrived, only the end of the connection was lost
        if status in (404, 410):
            raise NotFoundError(f"The log storage answered {status} to {shown_address(url)}", status=status)
        if status not in (200, 206):
            # 403: the minute was over; 5xx: trouble there. Both are over with a
            # fresh address, or later.
            raise TransientError(f"The log storage answered {status} to {shown_address(url)}")
        etag = response.headers.get("etag", "")
        if sink.received and ((status == 206 and start != sink.received) or (etag and self._etag not in ("", etag))):
            raise TransientError(f"{shown_address(url)}: the log changed while it was fetched")
        packing = response.headers.get("content-encoding", "").strip().lower()
        if packing not in _PACKINGS:
            raise TransientError(f"{shown_address(url)}: the log came packed as {shown(packing)}, gzip was asked for")
        self._etag = etag
        self._encoded = "content-encoding" in response.headers
        if status == 200:
            total = None if self._encoded else whole_number(response.headers.get("content-length", ""))
        if total is not None:
            sink.expect(total)
        skip = sink.received if status == 200 else 0
        first = status == 200
        for chunk in deadline.body(response):
            if first and ("html" in response.headers.get("content-type", "") or is_a_page(chunk)):
                raise TransientError(
                    f"{shown_address(url)} gave a page where a log was expected: is there a proxy in between? “{shown(chunk)}”"
                )
            first = False
            if skip >= len(chunk):
                skip -= len(chunk)
                continue
            for taker in (self._digest.update, self.end.feed, sink.feed):
                taker(chunk[skip:])
            skip = 0
        self._check(response, url, total, skip)

    def _check(self, response: httpx.Response, url: str, total: int | None, skipping: int) -> None:
        """Whether all has arrived. Raises TransientError."""
        received = self.sink.received
        if skipping or (total is not None and received != total):
            raise TransientError(
                f"{shown_address(url)} gave {received - skipping} of {total or received} bytes of the log"
            )
        framed = total is not None or "chunked" in response.headers.get("transfer-encoding", "")
        if not framed and not self._encoded and not self.end.is_the_runners:
            # The next request asks for what is behind: a 416 says that this was all.
            raise TransientError(
                f"{shown_address(url)} gave {received} bytes without a length and without the runner's last line"
            )
        digest = response.headers.get("x-ms-blob-content-md5", "")
        digest = digest or (response.headers.get("content-md5", "") if response.status_code == 200 else "")
        if digest and not self._encoded and digest != base64.b64encode(self._digest.digest()).decode():
            self.spoilt = "The log's bytes are not those of its checksum"


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
