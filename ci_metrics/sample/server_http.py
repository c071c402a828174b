"""The sample GitHub's API port: sockets, tokens, limits, ETags, faults, the admin address.

What belongs here: HTTP around `server_routes.py`. Does not: what an address
answers, fields, the log storage.
"""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from ci_metrics.sample.faults import Fault
from ci_metrics.sample.payloads_repo import installation
from ci_metrics.sample.server_question import Reply, SampleRequest, missing
from ci_metrics.sample.server_routes import answer, request_kind
from ci_metrics.sample.spoilt_answers import SPOILING, spoilt

if TYPE_CHECKING:
    from ci_metrics.sample.server import SampleGitHub

HTML_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in to continue</title></head><body>Proxy login</body></html>\n"


#: Faults that a good answer comes with, or that spoil one.
_ANSWERED = SPOILING | {"cut", "drip", "double_page", "earlier_jobs", "runs_as_jobs"}


class QuietServer(ThreadingHTTPServer):
    """Threads that die with the program and a queue long enough for a burst of clients."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    sample: SampleGitHub


class Http(BaseHTTPRequestHandler):
    """What both ports share: keep-alive, one write for an answer, no chatter on standard error."""

    protocol_version = "HTTP/1.1"
    server_version = "SampleGitHub"
    server: QuietServer
    timeout = 120
    wbufsize = -1  # head and body leave together

    def setup(self) -> None:
        """Answer at once: without this, small answers wait for the
        client's delayed acknowledgement.
        """
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` of answers by the server's own idea of the machine's time:
        limits end relative to it.
        """
        return super().date_time_string(self.server.sample.gate.wall() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; `server.stats` counts."""

    def send_bytes(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        *,
        cut: bool = False,
        drip: float | None = None,
        sized: bool = True,
    ) -> None:
        """One answer in one write.

        `cut` promises all of the body, sends half and hangs up; `drip`: seconds between bytes; not
        `sized`: the end of the connection is the end of the body.
        """
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304 and sized:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if drip is not None:
            self._drip(body, drip)
        elif status != 304:
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut or not sized:
            self.hang_up()

    def _drip(self, data: bytes, seconds: float) -> None:
        for byte in data:
            self.wfile.write(bytes((byte,)))
            self.wfile.flush()
            time.sleep(seconds)

    def fail(self, fault: Fault) -> bool:
        """Answer with what is not an answer; False when the fault wants a
        good one, or one of its own.
        """
        plain = {"Content-Type": "application/json"}
        match fault.kind:
            case "break":
                self.hang_up()
            case "html":
                self.send_bytes(200, {"Content-Type": "text/html; charset=utf-8"}, HTML_PAGE)
            case "empty":
                self.send_bytes(200, plain, b"")
            case "gzip":
                self.send_bytes(200, {**plain, "Content-Encoding": "gzip"}, b"\x1f\x8b this is no gzip")
            case "nested":
                self.send_bytes(200, plain, b"[" * 100_000 + b"]" * 100_000)
            case "not_modified":
                self.send_bytes(304, {}, b"")
            case "drip_head":
                self._drip(b"HTTP/1.1 200 OK\r\nServer: " + b"SampleGitHub " * 1000, fault.seconds or 1.0)
            case "redirect_loop":
                self.send_bytes(302, {"Location": self.path}, b"")
            case _:
                return False
        return True

    def hang_up(self) -> None:
        """Close the connection without more words."""
        self.close_connection = True
        try:
            self.request.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the client was faster

    def handle(self) -> None:
        """Serve until the client goes; a client that goes away is no error of ours."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True


class ApiHandler(Http):
    """Requests to the API."""

    _kinds_free: ClassVar[frozenset[str]] = frozenset({"rate_limit", "token", "installations", "graphql", "unknown"})

    def do_GET(self) -> None:
        """Read something."""
        self._serve()

    def do_POST(self) -> None:
        """Make something: a comment, an installation token, an admin order."""
        self._serve()

    def do_PATCH(self) -> None:
        """Change a comment."""
        self._serve()

    def do_DELETE(self) -> None:
        """Only the admin address has something to delete: the faults."""
        self._serve()

    def _serve(self) -> None:
        sample = self.server.sample
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            self._reply("unknown", missing("Problems parsing JSON", 400))
            return
        if parts.path.startswith("/_sample/"):
            self._admin(parts.path.removeprefix("/_sample/"), body)
            return
        path = parts.path.removeprefix(sample.base_path) if parts.path.startswith(sample.base_path) else ""
        kind = self._kind(path)
        fault = sample.faults.strike(kind, self.path)
        if sample.faults.latency:
            time.sleep(sample.faults.latency)
        if fault is not None and fault.kind == "hang":
            time.sleep(fault.seconds or 0)
            fault = None
        if fault is not None and fault.kind not in _ANSWERED:
            sample.gate.count(kind, counted=fault.kind != "break")
            self._fail(fault)
            return
        self._answer(kind, path, dict(parse_qsl(parts.query)), body if isinstance(body, dict) else {}, fault)
        if kind == "runs" and sample.faults.drift:
            sample.clock.advance(sample.faults.drift)

    def _kind(self, path: str) -> str:
        if path == "/rate_limit":
            return "rate_limit"
        if path == "/app/installations" and self.command == "GET":
            return "installations"
        if path.startswith("/app/installations/") and path.endswith("/access_tokens") and self.command == "POST":
            return "token"
        return request_kind(self.command, path) or "unknown"

    def _answer(self, kind: str, path: str, query: dict[str, str], body: dict[str, Any], fault: Fault | None) -> None:
        sample, gate = self.server.sample, self.server.sample.gate
        authorization = self.headers.get("Authorization", "")
        if kind == "token":
            self._reply(kind, self._token(path, authorization), fault=fault)
            return
        if kind == "installations":
            self._reply(kind, self._installations(authorization), fault=fault)
            return
        login = gate.login(authorization)
        if login is None:
            self._reply(kind, missing("Bad credentials" if authorization else "Requires authentication", 401))
            return
        if kind == "rate_limit":
            self._reply(kind, self._rate_limit(login), login=login)
            return
        if kind != "graphql" and not gate.spend(login):
            gate.count(kind, counted=False)
            self._send(missing(f"API rate limit exceeded for user ID {login}.", 403), login)
            return
        if kind == "unknown":
            self._reply(kind, missing(), login=login)
            return
        question = SampleRequest(
            method=self.command,
            base=sample.api_url,
            path=path,
            query=query,
            body=body,
            moment=sample.world.at(sample.clock.now()),
            faults=sample.faults,
            comments=sample.comments,
            artifacts=sample.artifacts,
            login=login,
            installed_on=gate.app.owner_of(login) if gate.app is not None else "",
            log_url=sample.signed_log_url,
        )
        reply = answer(kind, question)
        if fault is not None and reply.status == 200:
            reply = replace(reply, value=_of_another_question(fault.kind, kind, question, reply.value))
        self._reply(kind, reply, login=login, fault=fault)

    def _token(self, path: str, authorization: str) -> Reply:
        number = path.split("/")[3]
        got = self.server.sample.gate.installation_token(authorization, int(number) if number.isdigit() else 0)
        if isinstance(got, str):
            return missing(got, 404 if got == "Integration not found" else 401)
        token, expires = got
        when = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        permissions = {"actions": "read", "checks": "read", "metadata": "read"}
        return Reply(201, {"token": token, "expires_at": when, "permissions": permissions})

    def _installations(self, authorization: str) -> Reply:
        gate = self.server.sample.gate
        wrong = gate.app.problem(authorization, gate.wall()) if gate.app is not None else "Integration not found"
        if wrong or gate.app is None:
            return missing(wrong, 401)
        found = gate.app.owners.items()
        return Reply(200, [installation(self.server.sample.api_url, owner, number) for owner, number in found])

    def _rate_limit(self, login: str) -> Reply:
        gate = self.server.sample.gate
        used, reset = gate.rate(login)
        core = {"limit": gate.quota, "remaining": gate.quota - used, "reset": reset, "used": used}
        search = {"limit": 30, "remaining": 30, "reset": reset, "used": 0}
        return Reply(200, {"resources": {"core": core, "search": search}, "rate": core})

    def _reply(self, kind: str, reply: Reply, *, login: str = "", fault: Fault | None = None) -> None:
        """Count it, compare ETags, send it."""
        gate = self.server.sample.gate
        free = kind in self._kinds_free or reply.status == 401
        good = reply
        if fault is not None and fault.kind in SPOILING and reply.status == 200:
            reply = spoilt(fault.kind, reply, fault.count, self.server.sample.api_url + self.path)
        body = _written(reply)
        etag = None
        if reply.status == 200 and kind != "rate_limit":
            marked = (
                _written(good)
                if fault is not None and fault.etag_lies
                else body + reply.headers.get("link", "").encode()
            )
            etag = f'W/"{hashlib.sha256(marked).hexdigest()}"'
        if etag is not None and self.headers.get("If-None-Match") == etag and self.command == "GET":
            gate.refund(login)
            gate.count(kind, counted=False, not_modified=True)
            self._send(Reply(304, None, reply.headers), login, etag)
            return
        gate.count(kind, counted=not free)
        self._send(reply, login, etag, body, fault=fault)

    def _send(
        self,
        reply: Reply,
        login: str,
        etag: str | None = None,
        body: bytes | None = None,
        *,
        fault: Fault | None = None,
    ) -> None:
        headers = {"X-GitHub-Api-Version-Selected": "2022-11-28", **reply.headers}
        if login:
            used, reset = self.server.sample.gate.rate(login)
            quota = self.server.sample.gate.quota
            headers |= {"x-ratelimit-limit": str(quota), "x-ratelimit-remaining": str(quota - used)}
            headers |= {"x-ratelimit-used": str(used), "x-ratelimit-reset": str(reset), "x-ratelimit-resource": "core"}
        if etag is not None:
            headers |= {"ETag": etag, "Cache-Control": "private, max-age=60, s-maxage=60"}
        if reply.value is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        dripping = fault.seconds if fault is not None and fault.kind == "drip" else None
        cut = fault is not None and fault.kind == "cut"
        self.send_bytes(reply.status, headers, _written(reply) if body is None else body, cut=cut, drip=dripping)

    def _fail(self, fault: Fault) -> None:
        if self.fail(fault):
            return
        wall, seconds = self.server.sample.gate.wall(), fault.seconds
        match fault.kind:
            case "shape":
                self._send(Reply(200, {}), "")
            case "primary_limit":
                reset = str(int(wall + (seconds or 0)) + 1)
                limits = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0", "x-ratelimit-used": "5000"}
                limits |= {"x-ratelimit-reset": reset, "x-ratelimit-resource": "core"}
                reply = missing("API rate limit exceeded for user ID 1.", 403)
                self._send(Reply(403, reply.value, limits), "")
            case "secondary_limit":
                status = fault.status if fault.status in (403, 429) else 403
                said = missing("You have exceeded a secondary rate limit. Please wait a few minutes.", status)
                self._send(Reply(status, said.value, {} if seconds is None else {"retry-after": f"{seconds:g}"}), "")
            case _:
                self._send(missing("Server Error", fault.status), "")

    def _admin(self, what: str, body: Any) -> None:
        """`/_sample/stats`, `/_sample/faults`, `/_sample/clock`: for programs that have the
        server in another process.
        """
        sample = self.server.sample
        try:
            value = sample.admin(self.command, what, body)
        except (TypeError, ValueError, KeyError) as error:
            self._send(missing(f"{type(error).__name__}: {error}", 422), "")
            return
        self._send(missing() if value is None else Reply(200, value), "")


def _of_another_question(fault: str, kind: str, question: SampleRequest, value: Any) -> Any:
    """What the question is answered with under this fault; `value` unless it is one that swaps
    answers.
    """
    run = question.path.partition("/attempts/")[0]
    match fault:
        case "double_page":
            return answer(kind, replace(question, query={**question.query, "page": "1"})).value
        case "earlier_jobs":
            return answer(kind, replace(question, path=f"{run}/attempts/1/jobs")).value
        case "runs_as_jobs":
            return {"total_count": 1, "jobs": [answer("run", replace(question, path=run)).value]}
    return value


def _written(reply: Reply) -> bytes:
    """The body. Lone surrogates stay as JSON writes them, and so reach the client."""
    return b"" if reply.value is None else json.dumps(reply.value).encode()
