"""Settings -> the index they name.

What belongs here: choosing the index and where each kind of document goes.
Does not: reading or writing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from ci_metrics.errors import SettingsError
from ci_metrics.index.document_index import DocumentIndex, Kind
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.settings import Settings
from ci_metrics.urls import mask_url, split_index_url

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

#: The embedded index's file, in the settings' data folder.
EMBEDDED_FILE = "index.sqlite"

#: What OpenSearch allows in no index name.
_NOT_IN_NAMES = frozenset(' "*\\<>|,/?#:')

#: Seconds that OpenSearch may take from one byte to the next; a whole answer has a bound too.
REQUEST_SECONDS = 60


def open_index(settings: Settings, *, reading: bool = False) -> DocumentIndex:
    """OpenSearch when the settings name indices, else the embedded index. Connects at the
    first use; close it when done. `reading`: a command that only asks.

    Raises SettingsError when ERROR_CLASSIFICATION_INDEX is neither an index
    name nor an index address.
    """
    if settings.workflow_index is None or settings.job_index is None or settings.steps_index is None:
        return EmbeddedIndex(settings.data_dir / EMBEDDED_FILE, mapped=reading)
    if reading:
        _load_opensearchpy_alone()
    return _open_opensearch(
        settings,
        {
            "workflows": settings.workflow_index,
            "jobs": settings.job_index,
            "steps": settings.steps_index,
            "verdicts": _verdict_address(settings.error_classification_index, settings.job_index),
        },
    )


def _load_opensearchpy_alone() -> None:
    """Load opensearch-py without aiohttp, which it loads where it is installed, for a client that
    nobody here uses: half of its 0.4 s. Only for commands: no other thread of theirs wants it.
    """
    if "aiohttp" in sys.modules:
        return
    sys.modules["aiohttp"] = None  # type: ignore[assignment]  # as Python writes “not to be had”
    try:
        import opensearchpy  # noqa: F401
    finally:
        del sys.modules["aiohttp"]


def _open_opensearch(settings: Settings, addresses: dict[Kind, str]) -> DocumentIndex:
    # Imported here: it costs 0.2 s, which users of the embedded index need not pay.
    from ci_metrics.index.mappings import IndexLayout
    from ci_metrics.index.opensearch import OpenSearchIndex, Target
    from ci_metrics.index.opensearch_bulk import RequestSize

    clients: dict[tuple[str, tuple[str, str] | None], OpenSearch] = {}
    size = RequestSize(most=int(settings.opensearch_bulk_mb * 1024 * 1024))
    targets: dict[Kind, Target] = {}
    for kind, address in addresses.items():
        host, index, auth = split_index_url(address)
        if auth is None and settings.opensearch_username is not None and settings.opensearch_password is not None:
            auth = (settings.opensearch_username, settings.opensearch_password.get_secret_value())
        if (host, auth) not in clients:
            clients[host, auth] = _client(settings, host, auth)
        layout = IndexLayout(
            shards=settings.opensearch_shards,
            replicas=settings.opensearch_replicas,
            by_month=settings.index_by_month and kind != "verdicts",
        )
        targets[kind] = Target(clients[host, auth], host, index, size, layout)
    return OpenSearchIndex(targets)


def _client(settings: Settings, host: str, auth: tuple[str, str] | None) -> OpenSearch:
    """Certificates are checked, against SSL_CERT_FILE where it is set; a request is repeated on
    502, 503, 504 and timeouts.

    Another node is asked then, where OPENSEARCH_HOSTS names some.
    """
    from opensearchpy import OpenSearch

    from ci_metrics.index.opensearch_deadline import EndingConnection
    from ci_metrics.index.opensearch_errors import JsonTransport

    paths = {"client_cert": settings.opensearch_client_cert, "client_key": settings.opensearch_client_key}
    return OpenSearch(
        list(dict.fromkeys([host, *settings.opensearch_hosts])),
        http_auth=_signer(settings) if settings.opensearch_aws_region else auth,
        verify_certs=True,
        timeout=REQUEST_SECONDS,
        max_retries=3,
        retry_on_timeout=True,
        http_compress=host.startswith("https:"),
        transport_class=JsonTransport,
        connection_class=EndingConnection,
        **{name: str(path) for name, path in paths.items() if path is not None},
    )


def _signer(settings: Settings) -> object:
    """Signs requests as Amazon's services want it, with what the environment, a profile or
    the machine's role gives.
    """
    from opensearchpy import Urllib3AWSV4SignerAuth

    try:
        session = import_module("botocore.session")
    except ImportError:
        raise SettingsError(
            "OPENSEARCH_AWS_REGION", "requests are signed by botocore, which is not installed", "pip install botocore"
        ) from None
    credentials = session.Session().get_credentials()
    if credentials is None:
        raise SettingsError(
            "OPENSEARCH_AWS_REGION",
            "no AWS credentials were found",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role",
        )
    return Urllib3AWSV4SignerAuth(credentials, settings.opensearch_aws_region, settings.opensearch_aws_service)


def _verdict_address(name_or_address: str, job_address: str) -> str:
    """A bare name means: beside the jobs, with the same user."""
    host, index, _ = split_index_url(name_or_address)
    if host.startswith(("http://", "https://")) and index and "/" not in index:
        return name_or_address
    allowed = name_or_address == name_or_address.lower() and not set(name_or_address) & _NOT_IN_NAMES
    if allowed and not name_or_address.startswith(("_", "-", "+", ".")):
        return f"{job_address.rstrip('/').rpartition('/')[0]}/{name_or_address}"
    raise SettingsError(
        "ERROR_CLASSIFICATION_INDEX",
        f"“{mask_url(name_or_address)}” is neither an index name nor an index address",
        "Write a lower-case name (the index is then beside the jobs) or https://host:9200/name",
    )
