"""Environment (and `.env`) -> one typed `Settings`: the only place that reads the environment.

What belongs here: every setting of the contract, its default, its check, its message. Does not:
using a setting. Names are the environment's own; attributes are the same in lower case. An
empty value counts as not set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from ci_metrics.errors import SettingsError
from ci_metrics.repositories import RepoFile, pattern, read_repo_file
from ci_metrics.urls import is_loopback, mask_url, split_address

if TYPE_CHECKING:
    from upath import UPath

#: The hours before this one are not partitions. GitHub itself keeps runs for 400 days at most.
DEFAULT_PARTITIONS_START = datetime(2026, 1, 1, tzinfo=UTC)

#: EXCERPT_BUDGET: characters of log lines in an excerpt; marks of what was left out come on top. Of
#: the lines that people marked in 435 logs 12,000 keep .944 and 14,200 keep .950, on GitHub's logs
#: .983 and .986; the verdicts are the same.
DEFAULT_EXCERPT_BUDGET = 12_000

#: Settings whose value is never shown.
SECRETS = frozenset(
    {
        "github_token",
        "github_app_private_key",
        "anthropic_api_key",
        "opensearch_password",
        "pr_comment_token",
        "alert_webhook_url",
        "otel_exporter_otlp_headers",
    }
)


class _WrongError(ValueError):
    """One wrong setting: carried through pydantic, turned into a SettingsError."""

    def __init__(self, variable: str, seen: str, advice: str) -> None:
        super().__init__(f"{variable}: {seen}. {advice}")
        self.parts = (variable, seen, advice)


def _truth(value: object) -> object:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("true", "1", "yes", "on"):
            return True
        if word in ("false", "0", "no", "off"):
            return False
    return value


Truth = Annotated[bool, BeforeValidator(_truth)]


_repo_file = lru_cache(maxsize=8)(read_repo_file)  # as it was when the process began


#: Where secrets are sent, when that is said.
_SENT_TO: Mapping[str, tuple[str, ...]] = {
    "github_token": ("github_api_url",),
    "github_app_private_key": ("github_api_url",),
    "pr_comment_token": ("github_api_url",),
    "anthropic_api_key": ("api_base_url",),
    "opensearch_password": ("workflow_index", "job_index", "steps_index", "opensearch_hosts"),
    "otel_exporter_otlp_headers": ("otel_exporter_otlp_endpoint",),
}


class Settings(BaseSettings):
    """Every setting, typed. Build it with `load_settings`, which turns wrong values
    into one readable message.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    # GitHub
    github_token: SecretStr | None = None
    repo: Annotated[tuple[str, ...], NoDecode] = ()
    github_api_url: str = "https://api.github.com"
    github_app_id: str | None = None
    github_app_private_key: SecretStr | None = None
    github_app_installation_id: int | None = None  # None: the App is asked where it is installed
    repo_file: Path | None = None
    hours_back: int = Field(default=4, ge=1, le=24 * 400)
    partitions_start: datetime = DEFAULT_PARTITIONS_START
    max_log_mb: int = Field(default=200, ge=1)
    junit_artifacts: Annotated[tuple[str, ...], NoDecode] = ()  # patterns of artifacts that hold JUnit reports
    # Index
    workflow_index: str | None = None
    job_index: str | None = None
    steps_index: str | None = None
    error_classification_index: str = "error_classifications"
    opensearch_username: str | None = None
    opensearch_password: SecretStr | None = None
    opensearch_hosts: Annotated[tuple[str, ...], NoDecode] = ()  # more nodes of the same cluster
    opensearch_client_cert: Path | None = None
    opensearch_client_key: Path | None = None
    opensearch_aws_region: str | None = None  # requests are signed (SigV4)
    opensearch_aws_service: Literal["es", "aoss"] = "es"
    opensearch_bulk_mb: float = Field(default=10, gt=0, le=100)
    opensearch_shards: int | None = Field(default=None, ge=1, le=1_024)
    opensearch_replicas: int | None = Field(default=None, ge=0, le=100)
    index_by_month: Truth = False
    runner_prices_file: Path | None = None  # of runners, before GitHub's list prices
    # Classification
    enable_error_classification: Truth = False
    anthropic_api_key: SecretStr | None = None
    anthropic_model: str = "claude-haiku-5-5"
    stronger_model: str | None = None
    api_format: Literal["anthropic", "openai"] = "anthropic"
    api_base_url: str | None = None
    allow_plain_http: Truth = False  # API_BASE_URL may be http:// on another machine
    max_rpm: int = Field(default=50, ge=1)
    max_tpm: int = Field(default=200_000, ge=1_000)
    classification_cache_ttl_hours: float = Field(default=168, ge=0)
    min_confidence_for_reuse: float = Field(default=0.8, ge=0, le=1)
    confidence_threshold: float = Field(default=0, ge=0, le=1)
    low_confidence: float = Field(default=0.7, ge=0, le=1)
    max_usd_per_hour: float | None = Field(default=None, ge=0)
    model_policy: Literal["all", "unsure"] = "all"
    model_batches: Truth = True
    prices_file: Path | None = None
    taxonomy_file: Path | None = None
    catalogue_dir: Path | None = None  # a team's own messages of tools
    owners_file: Path | None = None  # whose what is, before a repository's CODEOWNERS
    learn_from_verdicts: Truth = True  # the embedded classifier learns from people's and a sure model's verdicts
    use_background: Truth = True  # what the last passing run of a failed job printed too is no cause
    excerpt_budget: int = Field(default=DEFAULT_EXCERPT_BUDGET, ge=1_000, le=400_000)
    # Where things live, and where they are felt
    ci_metrics_home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("ci-metrics")))
    ci_metrics_sample: Truth = False  # the sample GitHub stands in for the real one (set by the commands that start it)
    hours_url: str | None = None  # a folder or any fsspec address; default: under CI_METRICS_HOME
    keep_logs_days: int | None = Field(default=None, ge=1)  # what `ci-metrics prune` leaves; None: all
    keep_hours_days: int | None = Field(default=None, ge=31)  # younger ones would be fetched again (`due_hours.py`)
    keep_runs_days: int | None = Field(default=None, ge=1)
    enable_pr_comments: Truth = False
    pr_comment_token: SecretStr | None = None
    alert_webhook_url: SecretStr | None = None
    otel_exporter_otlp_endpoint: str | None = None  # a collector; spans go to its /v1/traces
    otel_exporter_otlp_headers: SecretStr | None = None  # name=value,name=value

    _environ: ClassVar[Mapping[str, str] | None] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given values win over the environment, which wins over `.env`."""
        return (init_settings, env_settings, dotenv_settings)

    @field_validator("repo", mode="before")
    @classmethod
    def _split_repos(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        repos = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        for repo in repos:
            try:
                pattern(repo)
            except ValueError as error:
                advice = (
                    "Write owner/name, several separated by commas; owner/* for all of them, !owner/name for not that"
                )
                raise _WrongError("REPO", str(error), advice) from None
        return repos

    @field_validator("junit_artifacts", mode="before")
    @classmethod
    def _split_patterns(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))

    @field_validator("opensearch_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        hosts = tuple(dict.fromkeys(part.strip().rstrip("/") for part in value.split(",") if part.strip()))
        for host in hosts:
            parts = split_address(host)
            if (
                parts is None
                or parts.scheme not in ("http", "https")
                or not parts.hostname
                or parts.path
                or "@" in host
            ):
                advice = "Write https://host:9200, several separated by commas; the user comes from the index addresses"
                raise _WrongError("OPENSEARCH_HOSTS", f"“{mask_url(host)}” is not a host's address", advice)
        return hosts

    @field_validator("ci_metrics_home", mode="before")
    @classmethod
    def _on_this_machine(cls, value: object) -> object:
        if isinstance(value, str) and "://" in value:
            advice = "Give a folder of this machine; what several machines share goes to HOURS_URL"
            raise _WrongError("CI_METRICS_HOME", f"“{mask_url(value)}” is no folder", advice)
        return value

    @field_validator("hours_url", mode="after")
    @classmethod
    def _known_store(cls, value: str | None) -> str | None:
        protocol, separator, _ = (value or "").partition("://")
        if value is None or not separator:
            return value
        from fsspec.registry import known_implementations  # a tenth of a second, for those who need it

        known = known_implementations.get(protocol)
        if known is None:
            seen = f"“{mask_url(value)}” is of a kind that is not known ({protocol})"
            raise _WrongError("HOURS_URL", seen, "Give a folder, or an address such as s3://bucket/ci-metrics")
        package = known["class"].partition(".")[0]
        if find_spec(package) is None:
            advice = "pip install 'ci_metrics[s3]'" if package == "s3fs" else f"Install {package}"
            raise _WrongError("HOURS_URL", f"“{mask_url(value)}” needs {package}, which is not installed", advice)
        return value

    @field_validator("github_api_url", "api_base_url", "otel_exporter_otlp_endpoint", mode="after")
    @classmethod
    def _http_url(cls, value: str | None, info: Any) -> str | None:
        if value is None:
            return None
        parts = split_address(value)
        if parts is None or parts.scheme not in ("http", "https") or not parts.netloc:
            seen = f"“{mask_url(value)}” is not an http(s) address"
            raise _WrongError(info.field_name.upper(), seen, "Write it like https://host/path")
        return value.rstrip("/")

    @field_validator("workflow_index", "job_index", "steps_index", mode="after")
    @classmethod
    def _index_url(cls, value: str | None, info: Any) -> str | None:
        if value is None:
            return None
        parts = split_address(value)
        name = parts.path.strip("/") if parts is not None else ""
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or not name or "/" in name:
            seen = f"“{mask_url(value)}” is not an index address"
            raise _WrongError(
                info.field_name.upper(), seen, "Write https://host:9200/index-name (user:password@host is allowed)"
            )
        if name != name.lower() or name.startswith(("_", "-", "+")):
            advice = "OpenSearch wants lower case, not starting with _, - or +"
            raise _WrongError(info.field_name.upper(), f"index name “{name}”", advice)
        return value

    @field_validator("partitions_start", mode="after")
    @classmethod
    def _utc_hour(cls, value: datetime) -> datetime:
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if value.minute or value.second or value.microsecond:
            raise _WrongError(
                "PARTITIONS_START", f"{value.isoformat()} is not a full hour", "Write it like 2026-01-01T00:00"
            )
        return value

    @field_validator(
        "taxonomy_file",
        "prices_file",
        "owners_file",
        "runner_prices_file",
        "opensearch_client_cert",
        "opensearch_client_key",
        mode="after",
    )
    @classmethod
    def _readable(cls, value: Path | None, info: Any) -> Path | None:
        if value is not None and not value.is_file():
            raise _WrongError(
                info.field_name.upper(), f"no file at {value}", "Give the path of a readable file, or leave it out"
            )
        return value

    @field_validator("repo_file", mode="after")
    @classmethod
    def _repositories(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                _repo_file(value)
            except ValueError as error:
                advice = "docs/settings.md has an example of such a file"
                raise _WrongError("REPO_FILE", f"{value}: {error}", advice) from None
        return value

    @field_validator("catalogue_dir", mode="after")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            advice = "Give a folder with *.toml files of messages, or leave it out"
            raise _WrongError("CATALOGUE_DIR", f"no folder at {value}", advice)
        return value

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        app = {
            "GITHUB_APP_ID": self.github_app_id,
            "GITHUB_APP_PRIVATE_KEY": self.github_app_private_key,
        }
        _all_or_none(app, "A GitHub App needs both GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY")
        if self.github_app_installation_id is not None and self.github_app_id is None:
            advice = "Set GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY, or unset the installation"
            raise _WrongError("GITHUB_APP_ID", "not set, while GITHUB_APP_INSTALLATION_ID is", advice)
        indices = {"WORKFLOW_INDEX": self.workflow_index, "JOB_INDEX": self.job_index, "STEPS_INDEX": self.steps_index}
        _all_or_none(indices, "Set all three indices, or none to use the embedded index")
        _all_or_none(
            {"OPENSEARCH_USERNAME": self.opensearch_username, "OPENSEARCH_PASSWORD": self.opensearch_password},
            "Set both, or put user:password into the index addresses",
        )
        if self.opensearch_client_key is not None and self.opensearch_client_cert is None:
            advice = "Set the certificate that this key belongs to; a file may hold both"
            raise _WrongError("OPENSEARCH_CLIENT_CERT", "not set, while OPENSEARCH_CLIENT_KEY is", advice)
        if self.opensearch_aws_region is not None and self.opensearch_username is not None:
            advice = "Signed requests have no user: unset OPENSEARCH_USERNAME and OPENSEARCH_PASSWORD, or this"
            raise _WrongError("OPENSEARCH_AWS_REGION", "set, while OPENSEARCH_USERNAME is too", advice)
        has_auth = self.github_token is not None or self.github_app_id is not None
        if self.repositories and not has_auth:
            seen = f"not set, while REPO is {','.join(self.repositories)}"
            raise _WrongError("GITHUB_TOKEN", seen, "Set GITHUB_TOKEN or the GITHUB_APP_ settings")
        # A token alone says nothing: most developers' shells have one.
        if self.github_app_id is not None and not self.repositories:
            advice = "Set REPO=owner/name, several separated by commas, or REPO_FILE"
            raise _WrongError("REPO", "not set, while there is a GitHub App", advice)
        if not self.enable_error_classification and any(each.classification for each in self.repo_rules.settings):
            advice = "Set ENABLE_ERROR_CLASSIFICATION=true; a file of repositories can only take some out"
            raise _WrongError("REPO_FILE", "classification = true, while ENABLE_ERROR_CLASSIFICATION is not", advice)
        address = self.api_base_url or ""
        if address.startswith("http:") and not is_loopback(address) and not self.allow_plain_http:
            seen = f"“{mask_url(address)}” is not encrypted: the key and the logs could be read on the way"
            raise _WrongError(
                "API_BASE_URL", seen, "Write https://, or set ALLOW_PLAIN_HTTP=true in a network you trust"
            )
        if self.enable_pr_comments and self.pr_comment_token is None:
            advice = "Set a token that may write pull-request comments"
            raise _WrongError("PR_COMMENT_TOKEN", "not set, while ENABLE_PR_COMMENTS is true", advice)
        return self

    @property
    def repo_rules(self) -> RepoFile:
        """What REPO_FILE says."""
        return _repo_file(self.repo_file) if self.repo_file is not None else RepoFile()

    @property
    def repositories(self) -> tuple[str, ...]:
        """The names and patterns of repositories, of REPO and of REPO_FILE."""
        return tuple(dict.fromkeys((*self.repo, *self.repo_rules.repos)))

    @property
    def is_sample(self) -> bool:
        """Whether no repository is named: then the sample GitHub is what there is to look at."""
        return self.ci_metrics_sample or not self.repositories

    def classifies(self, repo: str) -> bool:
        """Whether errors of a repository are judged."""
        return self.enable_error_classification and self.repo_rules.of(repo).classification is not False

    @property
    def max_log_bytes(self) -> int:
        """MAX_LOG_MB in bytes; a megabyte is 1,000,000 of them."""
        return self.max_log_mb * 1_000_000

    @property
    def data_dir(self) -> Path:
        """Where hours, the embedded index and Dagster's home live. The sample's data never
        mixes with a repository's.
        """
        return self.ci_metrics_home / ("sample" if self.is_sample else "data")

    @property
    def hours_root(self) -> UPath:
        """The folder or address of the hours; the sample's is apart."""
        from upath import UPath  # loads fsspec, for those who need it

        if self.hours_url is None:
            return UPath(self.data_dir / "hours")
        return UPath(self.hours_url) / "sample" if self.is_sample else UPath(self.hours_url)

    @property
    def shares_hours_alone(self) -> bool:
        """Whether other machines may see the hours (HOURS_URL is an address), but not the index."""
        return "://" in (self.hours_url or "") and not self.uses_opensearch and not self.is_sample

    @property
    def uses_opensearch(self) -> bool:
        """Whether documents go to OpenSearch; else to the embedded index."""
        return self.workflow_index is not None

    @property
    def learns(self) -> bool:
        """Whether the embedded classifier learns from the team's own verdicts."""
        return self.enable_error_classification and self.learn_from_verdicts

    @property
    def uses_model(self) -> bool:
        """Whether a model is asked; else the embedded classifier answers alone."""
        return self.enable_error_classification and self.anthropic_api_key is not None


def _all_or_none(values: Mapping[str, object], advice: str) -> None:
    have = [name for name, value in values.items() if value is not None]
    if have and len(have) < len(values):
        missing = [name for name in values if name not in have]
        raise _WrongError(
            missing[0], f"not set, while {' and '.join(have)} {'is' if len(have) == 1 else 'are'}", advice
        )


def load_settings(
    environ: Mapping[str, str] | None = None, *, env_file: Path | None = Path(".env"), **given: object
) -> Settings:
    """Read the settings.

    `environ` replaces the process environment (tests); `given` values (attribute names) win over
    everything. Raises SettingsError: the variable, what was seen (secrets masked), what to do;
    all wrong ones in one text.
    """
    try:
        if environ is not None:
            known = Settings.model_fields
            values = {k.lower(): v for k, v in environ.items() if k.lower() in known and v != ""}
            return Settings(_env_file=None, **{**values, **given})  # type: ignore[arg-type]
        settings = Settings(_env_file=env_file, **given)  # type: ignore[arg-type]
        if env_file is not None and env_file.is_file():
            _refuse_strange_addresses(env_file, given)
        return settings
    except ValidationError as error:
        wrong = [_explain(dict(item)) for item in error.errors()]
        if len(wrong) == 1:
            raise SettingsError(*wrong[0]) from None
        first, rest = wrong[0], "; ".join(f"{v}: {s}. {a}" for v, s, a in wrong[1:])
        raise SettingsError(first[0], first[1], f"{first[2]}; {rest}") from None


def _refuse_strange_addresses(env_file: Path, given: Mapping[str, object]) -> None:
    """The `.env` of a folder that somebody else made must not have a secret of the environment sent
    to an address of its own. Raises SettingsError.
    """
    from dotenv import dotenv_values  # pydantic has loaded it for the same file

    named = {name.lower() for name, value in os.environ.items() if value}
    here = {name.lower(): value for name, value in dotenv_values(env_file).items() if value}
    for secret, addresses in _SENT_TO.items():
        for name in addresses if secret in named else ():
            if name in here and name not in named and name not in given and not is_loopback(here[name]):
                raise SettingsError(
                    name.upper(),
                    f"stands in {env_file}, while {secret.upper()} is in the environment: the file of a folder that somebody else "
                    "made could have it sent anywhere",
                    "Set both in the environment, or both in the file",
                )


def with_values(settings: Settings, **given: object) -> Settings:
    """The settings with `given` values (attribute names; text is read as in the
    environment) in place of theirs.

    Nothing is read from the environment. Raises SettingsError as `load_settings` does.
    """
    if not given:
        return settings
    return load_settings(
        env_file=None, **{**{name: getattr(settings, name) for name in Settings.model_fields}, **given}
    )


def _explain(item: Mapping[str, Any]) -> tuple[str, str, str]:
    cause = (item.get("ctx") or {}).get("error")
    if isinstance(cause, _WrongError):
        return cause.parts
    name = str(item["loc"][0]).lower() if item["loc"] else "settings"
    seen = "****" if name in SECRETS else f"“{mask_url(str(item.get('input')))}”"
    return name.upper(), f"{seen} is not usable", _advice(item)


#: pydantic's kinds of errors that people meet, in words of ours.
_ADVICE = {
    "int_parsing": "Write a whole number",
    "int_from_float": "Write a whole number",
    "float_parsing": "Write a number",
    "bool_parsing": "Write true or false",
    "bool_type": "Write true or false",
}


def _advice(item: Mapping[str, Any]) -> str:
    given = item.get("ctx") or {}
    limits = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}
    if item["type"] in limits:
        word, key = limits[item["type"]]
        return f"Write {word} {given[key]}"
    if item["type"] == "literal_error":
        return f"Write one of {given['expected']}"
    return _ADVICE.get(str(item["type"]), str(item["msg"]).removeprefix("Value error, "))
