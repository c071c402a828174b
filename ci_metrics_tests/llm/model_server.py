"""A model server on loopback that speaks Anthropic's Messages (with batches) and
OpenAI's chat completions.

What belongs here: answering like those APIs do, with usage and prompt-cache fields, and every fault
on demand. Does not: promises about our code. Its default answer quotes the line that the request
guesses and picks a category from the words in it; `answer` replaces that.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test-key"

#: Below it a prefix is not cached (Anthropic's, by model; others as the largest).
CACHE_MINIMUM = {"claude-haiku-5-5": 512, "claude-haiku-4-5": 4096}

_WORDS = {
    "timeout": ("timed out", "timeout"),
    "resource_exhaustion": ("out of memory", "no space left"),
    "network_error": ("econnreset", "could not resolve host"),
    "dependency_error": ("no matching distribution", "eresolve"),
    "compilation_error": ("error[e", "undefined reference"),
    "configuration_error": ("not supplied", "permission denied"),
}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. `kind` is an HTTP status or one of
    the words in `ModelServer`.
    """

    kind: str
    retry_after: str = ""
    seconds: float = 0.0


def answer_of(user: str) -> dict[str, Any]:
    """A plausible verdict on the line that the request guesses, with a valid quote."""
    named = re.search(r"^guessed_line \(.*?\): line (\d+)", user, re.MULTILINE)
    lines = {int(n): text for n, text in re.findall(r"^ *(\d+)\| (.*)$", user, re.MULTILINE)}
    number = int(named.group(1)) if named and int(named.group(1)) in lines else max(lines, default=0)
    text = lines.get(number, "")
    lower = text.lower()
    kind = next((k for k, words in _WORDS.items() if any(w in lower for w in words)), "assertion_failure")
    return {
        "quotes": [{"line": number, "text": text.strip()}],
        "summary": f"Line {number} says: {text.strip()[:80]}",
        "error_type": kind,
        "confidence": 0.93,
        "suggested_fix": "Look at that line.",
    }


@dataclass
class _Batch:
    id: str
    requests: list[dict[str, Any]]
    created: datetime
    ended: bool = False


@dataclass
class ModelServer:
    """Start with `with ModelServer() as server`. All that came in is in `requests`,
    all that went out in `sent`.
    """

    answer: Callable[[str], dict[str, Any]] = answer_of
    refuses: tuple[str, ...] = ()  # of: schema, thinking, max_tokens
    has_batches: bool = True
    caches: bool = True
    outcome: Callable[[str, int], str] = lambda custom_id, position: "succeeded"
    requests: list[dict[str, Any]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    batches: dict[str, _Batch] = field(default_factory=dict)
    lose_batch_reply: bool = False
    redirect_to: str = ""  # the address to which the fault "redirect" points
    faults: deque[Fault] = field(default_factory=deque)
    #: Batches whose results break off in the middle, with the connection.
    cut_results: set[str] = field(default_factory=set)
    _cached: set[str] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __enter__(self) -> ModelServer:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = _Server(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def fault(self, *kinds: str | Fault) -> None:
        """The next requests fail, one each, in this order."""
        self.faults.extend(k if isinstance(k, Fault) else Fault(k) for k in kinds)

    def no_faults(self) -> None:
        """Nothing fails any more."""
        self.faults.clear()

    def end_batches(self) -> None:
        """All batches are through."""
        for batch in self.batches.values():
            batch.ended = True

    @property
    def prompts(self) -> list[str]:
        """The user texts of all questions asked one by one."""
        return [_user(request["body"]) for request in self.requests if "messages" in request["body"]]

    # What both protocols share

    def take_fault(self) -> Fault | None:
        with self._lock:
            return self.faults.popleft() if self.faults else None

    def answer_text(self, user: str, fault: Fault | None) -> str:
        answer = self.answer(user)
        kind = fault.kind if fault else ""
        if kind == "not_json":
            return "I think this is a timeout."
        if kind == "wrong_shape":
            return json.dumps({"error_type": answer["error_type"]})
        if kind == "foreign":
            answer["error_type"] = "gremlins"
        if kind == "bad_quotes":
            answer["quotes"] = [{"line": 1, "text": "a line that nobody ever printed"}]
        text = json.dumps(answer)
        return text[: len(text) // 2] if kind == "truncated" else "" if kind == "refusal" else text

    def prompt_tokens(self, model: str, prefix: str, rest: str, least: int) -> tuple[int, int, int]:
        """(uncached, cache read, cache written) tokens."""
        shared, own = len(prefix) // 4, len(rest) // 4
        if not self.caches or shared < least:
            return shared + own, 0, 0
        key = hashlib.sha256(f"{model}\n{prefix}".encode()).hexdigest()
        with self._lock:
            hit = key in self._cached
            self._cached.add(key)
        return own, shared if hit else 0, 0 if hit else shared

    # Anthropic

    def message(self, body: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        text = self.answer_text(_user(body), fault)
        kind = fault.kind if fault else ""
        system = body["system"][0]
        wants_cache = "cache_control" in system
        least = CACHE_MINIMUM.get(body["model"], 4096) if wants_cache else 10**9
        prefix = system["text"] + json.dumps(body.get("output_config", {}))
        uncached, read, written = self.prompt_tokens(body["model"], prefix, _user(body), least)
        content: list[dict[str, Any]] = [{"type": "text", "text": text, "citations": None}]
        if kind == "refusal":
            content = []
        stop = {"refusal": "refusal", "truncated": "max_tokens"}.get(kind, "end_turn")
        made = {
            "id": f"msg_{len(self.sent):06d}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {
                "input_tokens": uncached,
                "cache_creation_input_tokens": written,
                "cache_read_input_tokens": read,
                "output_tokens": max(1, len(text) // 4),
                "service_tier": "standard",
            },
        }
        with self._lock:
            self.sent.append(made)
        return made

    def batch_info(self, batch: _Batch) -> dict[str, Any]:
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        for position, request in enumerate(batch.requests):
            counts[self.outcome(request["custom_id"], position) if batch.ended else "processing"] += 1
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if batch.ended else "in_progress",
            "request_counts": counts,
            "created_at": batch.created.isoformat(),
            "expires_at": (batch.created + timedelta(hours=24)).isoformat(),
            "ended_at": datetime.now(UTC).isoformat() if batch.ended else None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": f"{self.url}/v1/messages/batches/{batch.id}/results" if batch.ended else None,
        }

    def batch_line(self, request: dict[str, Any], position: int) -> dict[str, Any]:
        kind = self.outcome(request["custom_id"], position)
        result: dict[str, Any] = {"type": kind}
        if kind == "succeeded":
            result["message"] = self.message(request["params"], None)
        if kind == "errored":
            error = {"type": "invalid_request_error", "message": "messages: too long"}
            result["error"] = {"type": "error", "error": error, "request_id": None}
        return {"custom_id": request["custom_id"], "result": result}

    # OpenAI

    def completion(self, body: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        text = self.answer_text(_user(body), fault)
        kind = fault.kind if fault else ""
        prefix = body["messages"][0]["content"] + json.dumps(body.get("response_format", {}))
        uncached, read, written = self.prompt_tokens(body["model"], prefix, _user(body), 1024)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        finish = {"truncated": "length", "refusal": "stop"}.get(kind, "stop")
        if kind == "refusal":
            message |= {"content": None, "refusal": "I cannot help with that."}
        prompt, output = uncached + read + written, max(1, len(text) // 4)
        made = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": output,
                "total_tokens": prompt + output,
                "prompt_tokens_details": {"cached_tokens": read, "audio_tokens": 0},
            },
        }
        with self._lock:
            self.sent.append(made)
        return made


def _user(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up waiting is no news here."""


class _Handler(BaseHTTPRequestHandler):
    owner: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:3] != ["v1", "messages", "batches"] or not self.owner.has_batches:
            return self._error(404, "not_found_error", "no such path")
        if len(parts) == 3:
            infos = [self.owner.batch_info(b) for b in reversed(self.owner.batches.values())]
            return self._json(200, {"data": infos, "has_more": False, "first_id": None, "last_id": None})
        batch = self.owner.batches.get(parts[3])
        if batch is None:
            return self._error(404, "not_found_error", "no such batch")
        if len(parts) == 4:
            return self._json(200, self.owner.batch_info(batch))
        lines = [self.owner.batch_line(r, i) for i, r in enumerate(batch.requests)]
        text = "".join(json.dumps(line) + "\n" for line in reversed(lines))  # not in the order of the requests
        return self._send(
            200, text.encode(), {"content-type": "application/binary"}, cut=batch.id in self.owner.cut_results
        )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.owner._lock:
            self.owner.requests.append({"path": self.path, "body": body, "headers": dict(self.headers)})
        key = self.headers.get("x-api-key") or (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if key != KEY:
            return self._error(401, "authentication_error", "invalid x-api-key")
        fault = self.owner.take_fault()
        if fault is not None:
            time.sleep(fault.seconds)
            if fault.kind.isdigit():
                headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
                kind = {"429": "rate_limit_error", "529": "overloaded_error"}.get(fault.kind, "api_error")
                return self._error(int(fault.kind), kind, f"fault {fault.kind}", headers)
            if fault.kind == "broken":
                self.close_connection = True
                self.connection.close()
                return None
            if fault.kind == "redirect":
                return self._send(307, b"", {"location": self.owner.redirect_to + self.path})
            if fault.kind == "drip":  # one byte every `seconds`, without end
                self.send_response(200)
                self.send_header("content-length", "1000000")
                self.end_headers()
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(b" ")
                        time.sleep(fault.seconds)
            if fault.kind == "html":
                return self._send(200, b"<html>Sign in to the proxy</html>", {"content-type": "text/html"})
        refused = self._refusal(body)
        if refused:
            return self._error(400, "invalid_request_error", refused)
        if self.path == "/v1/messages":
            return self._json(200, self.owner.message(body, fault))
        if self.path == "/v1/chat/completions":
            return self._json(200, self.owner.completion(body, fault))
        if self.path == "/v1/messages/batches" and self.owner.has_batches:
            batch = _Batch(f"msgbatch_{len(self.owner.batches) + 1}", body["requests"], datetime.now(UTC))
            self.owner.batches[batch.id] = batch
            if self.owner.lose_batch_reply:
                self.close_connection = True
                self.connection.close()
                return None
            return self._json(200, self.owner.batch_info(batch))
        return self._error(404, "not_found_error", "no such path")

    def _refusal(self, body: dict[str, Any]) -> str:
        refuses = self.owner.refuses
        if "thinking" in refuses and "thinking" in body:
            return "thinking: Extra inputs are not permitted"
        if "max_tokens" in refuses and "max_tokens" in body:
            return "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        if "schema" in refuses and ("format" in body.get("output_config", {}) or "response_format" in body):
            return "output_config.format: structured output is not supported by this model (response_format)"
        return ""

    def _error(self, status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> None:
        self._json(status, {"type": "error", "error": {"type": kind, "message": message}}, headers)

    def _json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if not cut:
            self.wfile.write(body)
            return
        first = body.index(b"\n") + 1  # one whole line arrives, and half of the next
        self.wfile.write(body[: first + (len(body) - first) // 3])
        self.wfile.flush()
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()  # with a reset
