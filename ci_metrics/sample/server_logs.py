"""The sample GitHub's log storage: another host, as at GitHub, that knows signatures and no tokens.

What belongs here: signing an address for a minute, serving a log from it. Does
not: which job has a log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
import zlib
from urllib.parse import parse_qs, urlsplit

from ci_metrics.sample.faults import Fault
from ci_metrics.sample.server_http import HTML_PAGE, Http, QuietServer

#: How long a signed address is good, in seconds (GitHub's documentation of "Download job
#: logs for a workflow run").
SIGNED_SECONDS = 60


def sign(secret: bytes, job_id: int, expires: int) -> str:
    """The signature of one job's address until `expires` (Unix seconds)."""
    return hmac.new(secret, f"{job_id}:{expires}".encode(), hashlib.sha256).hexdigest()


class LogHandler(Http):
    """Requests to the log storage."""

    server: QuietServer

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        """Serve a log, or a range of it."""
        sample = self.server.sample
        fault = sample.faults.strike("log_storage")
        sample.gate.count("log_storage", counted=False)
        if sample.faults.latency:
            time.sleep(sample.faults.latency)
        if fault is not None and fault.kind == "hang":
            time.sleep(fault.seconds or 0)
        if fault is not None and self._answered(fault):
            return
        if self.headers.get("Authorization"):
            self._refuse(400, "InvalidAuthenticationInfo")  # GitHub's storage does so: a token must not come here
            return
        job_id = self._signed_job()
        if job_id is None:
            return
        log = sample.read_log(job_id)
        if log is None:
            self._refuse(404, "BlobNotFound")
            return
        self._send_log(log, fault)

    def _answered(self, fault: Fault) -> bool:
        """Whether the fault was the whole answer."""
        if self.fail(fault):
            return True
        if fault.kind == "html_as_text":
            self.send_bytes(200, {"Content-Type": "text/plain"}, HTML_PAGE)
        elif fault.kind == "status":
            self._refuse(fault.status, "ServerBusy")
        else:
            return False
        return True

    def _signed_job(self) -> int | None:
        """The job whose log the address names; None, with the answer sent, where it is no
        address of ours, or its signature is wrong or no longer good.
        """
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        found = re.fullmatch(r"/logs/(\d+)", parts.path)
        expires, signature = query.get("se", ["0"])[0], query.get("sig", [""])[0]
        if found is None or not expires.isdigit():
            self._refuse(404, "BlobNotFound")
            return None
        job_id, sample = int(found.group(1)), self.server.sample
        good = hmac.compare_digest(signature, sign(sample.secret, job_id, int(expires)))
        if not good or int(expires) < sample.gate.wall():
            self._refuse(403, "AuthenticationFailed")
            return None
        return job_id

    def _send_log(self, log: bytes, fault: Fault | None) -> None:
        """The log, or the range of it that is asked for, spoilt as the fault says."""
        kind = fault.kind if fault is not None else ""
        if kind == "half":
            log = log[: len(log) // 2]
        headers = {"Content-Type": "text/plain; charset=utf-8", "Accept-Ranges": "bytes", "ETag": f'"{len(log):x}"'}
        checked = b"other bytes" if kind == "checksum" else log
        headers["x-ms-blob-content-md5"] = base64.b64encode(
            hashlib.md5(checked, usedforsecurity=False).digest()
        ).decode()
        if kind == "packed":
            headers["Content-Encoding"], log = "zstd", zlib.compress(log)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        status = 200
        if asked is not None and int(asked.group(1)) < len(log):
            start = int(asked.group(1))
            headers["Content-Range"] = f"bytes {start}-{len(log) - 1}/{len(log)}"
            status, log = 206, log[start:]
        elif asked is not None:
            self.send_bytes(416, {"Content-Range": f"bytes */{len(log)}"}, b"")
            return
        if kind == "half_unsized":
            log = log[: len(log) // 2]
        dripping = fault.seconds if fault is not None and kind == "drip" else None
        self.send_bytes(status, headers, log, cut=kind == "cut", drip=dripping, sized="unsized" not in kind)

    def _refuse(self, status: int, code: str) -> None:
        body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code></Error>'.encode()
        self.send_bytes(status, {"Content-Type": "application/xml"}, body)
