"""An S3 on loopback (moto's), which counts what it is asked, request by request.

What belongs here: starting and ending it, the settings by which processes find it. Does not:
fixtures (`conftest.py`), what is asked of it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import boto3
from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from s3fs import S3FileSystem
from werkzeug.serving import WSGIRequestHandler, make_server


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Requests are counted, not printed."""


class ObjectStore:
    """A server that is up, with buckets as they are made."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []  # method, bucket/key (and the query of a listing)
        self._app = DomainDispatcherApplication(create_backend_app)
        self._one = threading.Lock()  # S3 decides a conditional write at once; moto's threads do not
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, name="object-store", daemon=True)
        default_user_config["core"]["reset_boto3_session"] = False

    @property
    def environ(self) -> Mapping[str, str]:
        """What a process needs to find it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def make_bucket(self, name: str) -> str:
        """A new bucket; its address."""
        made = boto3.client("s3", endpoint_url=self.environ["AWS_ENDPOINT_URL"], **_KEYS)
        made.create_bucket(Bucket=name)
        made.close()
        return f"s3://{name}"

    def buckets(self) -> list[str]:
        """The names of all that there are."""
        client = boto3.client("s3", endpoint_url=self.environ["AWS_ENDPOINT_URL"], **_KEYS)
        names = [str(bucket["Name"]) for bucket in client.list_buckets()["Buckets"]]
        client.close()
        return names

    @contextlib.contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """What is asked in the block, by method, of a process that knows nothing yet; filled at its
        end.
        """
        S3FileSystem.clear_instance_cache()
        before = len(self.asked)
        found: Counter[str] = Counter()
        yield found
        found.update(method for method, _ in self.asked[before:])

    def __enter__(self) -> ObjectStore:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        S3FileSystem.clear_instance_cache()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"] + (f"?{query}" if query else "")))
        with self._one:
            return list(self._app(environ, start))


_KEYS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "example", "region_name": "us-east-1"}


@contextlib.contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A server, of which this process and those that it starts know."""
    with ObjectStore() as store:
        before = {name: os.environ.get(name) for name in store.environ}
        os.environ.update(store.environ)
        try:
            yield store
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
