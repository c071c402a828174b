"""Settings: every name of the contract, and one readable message for what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ci_metrics.errors import SettingsError
from ci_metrics.settings import Settings, load_settings
from ci_metrics.urls import mask_url, split_index_url

CONTRACT = {
    "GITHUB_TOKEN": "t", "REPO": "o/r", "GITHUB_API_URL": "https://ghe.example.com/api/v3", "HOURS_BACK": "7",
    "WORKFLOW_INDEX": "https://h:9200/w", "JOB_INDEX": "https://h:9200/j", "STEPS_INDEX": "https://h:9200/s",
    "OPENSEARCH_USERNAME": "u", "OPENSEARCH_PASSWORD": "p", "ERROR_CLASSIFICATION_INDEX": "verdicts",
    "ENABLE_ERROR_CLASSIFICATION": "true", "ANTHROPIC_API_KEY": "k", "ANTHROPIC_MODEL": "m", "API_FORMAT": "openai",
    "API_BASE_URL": "https://llm.example.com/v1", "MAX_RPM": "10", "CLASSIFICATION_CACHE_TTL_HOURS": "24",
    "MIN_CONFIDENCE_FOR_REUSE": "0.5", "CONFIDENCE_THRESHOLD": "0.4", "MAX_USD_PER_HOUR": "1.5", "CI_METRICS_HOME": "/h",
}  # fmt: skip


def test_every_setting_of_the_contract_is_read_and_typed() -> None:
    settings = load_settings(CONTRACT)
    assert settings.repo == ("o/r",)
    assert settings.hours_back == 7
    assert settings.enable_error_classification is True
    assert settings.max_usd_per_hour == 1.5
    assert settings.ci_metrics_home == Path("/h")
    assert settings.uses_opensearch
    assert settings.uses_model
    assert not settings.is_sample


def test_the_contracts_defaults_hold_and_an_empty_value_counts_as_not_set() -> None:
    settings = load_settings({"REPO": "", "HOURS_BACK": ""})
    assert (settings.hours_back, settings.max_rpm, settings.classification_cache_ttl_hours) == (4, 50, 168)
    assert (settings.min_confidence_for_reuse, settings.confidence_threshold) == (0.8, 0)
    assert settings.error_classification_index == "error_classifications"
    assert settings.enable_error_classification is False
    assert settings.is_sample


@pytest.mark.parametrize(
    ("given", "variable", "says"),
    [
        ({"REPO": "just-a-name", "GITHUB_TOKEN": "t"}, "REPO", "owner/name"),
        ({"REPO": "https://github.com/o/r", "GITHUB_TOKEN": "t"}, "REPO", "owner/name"),
        ({"REPO": "o/r"}, "GITHUB_TOKEN", "not set, while REPO is o/r"),
        (
            {"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY": "k", "GITHUB_APP_INSTALLATION_ID": "2"},
            "REPO",
            "not set, while there is a GitHub App",
        ),
        ({"HOURS_BACK": "soon"}, "HOURS_BACK", "“soon”"),
        ({"HOURS_BACK": "0"}, "HOURS_BACK", "“0”"),
        ({"ENABLE_ERROR_CLASSIFICATION": "maybe"}, "ENABLE_ERROR_CLASSIFICATION", "“maybe”"),
        ({"API_FORMAT": "soap"}, "API_FORMAT", "anthropic"),
        ({"CONFIDENCE_THRESHOLD": "80"}, "CONFIDENCE_THRESHOLD", "“80”"),
        ({"GITHUB_API_URL": "api.github.com"}, "GITHUB_API_URL", "http"),
        ({"JOB_INDEX": "https://h:9200/j"}, "WORKFLOW_INDEX", "not set, while JOB_INDEX is"),
        ({"JOB_INDEX": "jobs"}, "JOB_INDEX", "https://host:9200/index-name"),
        (
            {"CI_METRICS_HOME": "s3://k:pw@bucket/x"},
            "CI_METRICS_HOME",
            "“s3://k:****@bucket/x” is no folder",
        ),
        ({"HOURS_URL": "bucket://x"}, "HOURS_URL", "not known (bucket)"),
        ({"HOURS_URL": "gs://x"}, "HOURS_URL", "needs gcsfs, which is not installed"),
        ({"JOB_INDEX": "https://h:9200/Jobs"}, "JOB_INDEX", "lower case"),
        ({"OPENSEARCH_USERNAME": "u"}, "OPENSEARCH_PASSWORD", "not set, while OPENSEARCH_USERNAME is"),
        ({"OPENSEARCH_HOSTS": "https://a:9200, b"}, "OPENSEARCH_HOSTS", "“b” is not a host's address"),
        ({"OPENSEARCH_CLIENT_CERT": "/no/such/file"}, "OPENSEARCH_CLIENT_CERT", "no file at"),
        ({"OPENSEARCH_CLIENT_KEY": __file__}, "OPENSEARCH_CLIENT_CERT", "not set, while OPENSEARCH_CLIENT_KEY is"),
        (
            {"OPENSEARCH_AWS_REGION": "x", "OPENSEARCH_USERNAME": "u", "OPENSEARCH_PASSWORD": "p"},
            "OPENSEARCH_AWS_REGION",
            "OPENSEARCH_USERNAME is too",
        ),
        ({"OPENSEARCH_BULK_MB": "0"}, "OPENSEARCH_BULK_MB", "“0” is not usable"),
        ({"GITHUB_APP_ID": "1"}, "GITHUB_APP_PRIVATE_KEY", "needs both"),
        ({"TAXONOMY_FILE": "/no/such/file"}, "TAXONOMY_FILE", "no file at"),
        ({"PARTITIONS_START": "2026-01-01T00:30"}, "PARTITIONS_START", "not a full hour"),
        ({"EXCERPT_BUDGET": "999"}, "EXCERPT_BUDGET", "“999” is not usable. Write at least 1000"),
        ({"EXCERPT_BUDGET": "400001"}, "EXCERPT_BUDGET", "“400001” is not usable. Write at most 400000"),
        ({"EXCERPT_BUDGET": "much"}, "EXCERPT_BUDGET", "“much” is not usable. Write a whole number"),
        ({"ENABLE_PR_COMMENTS": "true"}, "PR_COMMENT_TOKEN", "not set"),
    ],
)
def test_a_wrong_or_half_set_value_is_one_message_with_the_variable_and_what_to_do(
    given: dict[str, str], variable: str, says: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(given)
    assert str(caught.value).startswith(f"{variable}: ")
    assert says in str(caught.value)


def test_several_wrong_values_are_all_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"HOURS_BACK": "x", "MAX_RPM": "-1"})
    assert "HOURS_BACK" in str(caught.value)
    assert "MAX_RPM" in str(caught.value)


def test_a_secret_is_never_shown_not_in_messages_nor_in_the_settings_own_text() -> None:
    given = {
        **CONTRACT,
        "GITHUB_TOKEN": "ghp_very_secret",
        "ANTHROPIC_API_KEY": "sk-very-secret",
        "OPENSEARCH_PASSWORD": "hush-hush",
    }
    text = repr(load_settings(given)) + str(load_settings(given))
    with pytest.raises(SettingsError) as caught:
        load_settings({"JOB_INDEX": "https://user:hush-hush@h:9200/", "GITHUB_TOKEN": "ghp_very_secret"})
    for secret in ("very_secret", "very-secret", "hush-hush"):
        assert secret not in text
        assert secret not in str(caught.value)


@pytest.mark.parametrize("variable", ["JOB_INDEX", "GITHUB_API_URL", "API_BASE_URL"])
@pytest.mark.parametrize(
    "address",
    [
        "https://user:hush-hush@host:no-port/jobs",
        "https://user:hush-hush@host:99999/jobs",
        "https://user:hush-hush@[host/jobs",
        "https://user:hush/hush-hush@host:x/jobs",
        "user:hush-hush@host/jobs",
        "ftp://user:hush-hush@host/jobs",
    ],
)
def test_an_address_that_is_none_is_one_message_without_its_password(variable: str, address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({variable: address})
    assert str(caught.value).startswith(f"{variable}: ")
    assert "user:****@" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_index_addresses_may_carry_credentials_which_are_masked_when_shown() -> None:
    url = "https://us%40er:p%2Fw@host:9200/jobs"
    assert split_index_url(url) == ("https://host:9200", "jobs", ("us@er", "p/w"))
    assert mask_url(url) == "https://us%40er:****@host:9200/jobs"


def test_settings_are_read_from_an_env_file_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("HOURS_BACK=9\nMAX_RPM=11\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAX_RPM", "12")
    settings = load_settings()
    assert (settings.hours_back, settings.max_rpm) == (9, 12)


def test_an_env_file_has_no_secret_of_the_environment_sent_to_its_own_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("GITHUB_API_URL=https://evil.example\n")
    assert load_settings().github_api_url == "https://evil.example", "there is nothing to send"
    monkeypatch.setenv("GITHUB_TOKEN", "s3cr3t")
    with pytest.raises(SettingsError, match=r"^GITHUB_API_URL: stands in \.env, while GITHUB_TOKEN is in") as wrong:
        load_settings()
    assert "s3cr3t" not in str(wrong.value)
    monkeypatch.setenv("GITHUB_API_URL", "https://github.example/api/v3")
    assert load_settings().github_api_url == "https://github.example/api/v3"
    monkeypatch.delenv("GITHUB_API_URL")
    (tmp_path / ".env").write_text("API_BASE_URL=http://127.0.0.1:8080\n")
    assert load_settings().api_base_url == "http://127.0.0.1:8080"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "s3cr3t")
    assert load_settings().api_base_url == "http://127.0.0.1:8080", "this machine reads along anyway"
    (tmp_path / ".env").write_text("API_BASE_URL=https://evil.example\n")
    with pytest.raises(SettingsError, match=r"^API_BASE_URL: "):
        load_settings()


def test_times_without_a_zone_are_utc() -> None:
    assert load_settings({"PARTITIONS_START": "2026-02-01T05:00"}).partitions_start == datetime(
        2026, 2, 1, 5, tzinfo=UTC
    )


def test_a_repositorys_data_never_mixes_with_the_samples() -> None:
    sample = load_settings({"CI_METRICS_HOME": "/h"})
    own = load_settings({"CI_METRICS_HOME": "/h", "REPO": "o/r", "GITHUB_TOKEN": "t"})
    assert sample.data_dir != own.data_dir


def test_importing_anything_has_no_side_effect(tmp_path: Path) -> None:
    code = (
        "import pkgutil, importlib, ci_metrics\nfor m in pkgutil.walk_packages(ci_metrics.__path__, 'ci_metrics.'):\n"
    )
    code += "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
    environment = {"HOME": str(tmp_path), "HOURS_BACK": "nonsense", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_only_the_settings_module_reads_the_environment() -> None:
    package = Path(sys.modules[Settings.__module__].__file__ or "").parent
    allowed = {
        "settings.py",
        "ui.py",
        "instance.py",
    }  # the two others pass the environment on to a process, or ask for a pid
    readers = {
        path.name
        for path in package.rglob("*.py")
        if "record" not in path.parts and re.search(r"os\.environ|getenv\(", path.read_text())
    }
    assert readers <= allowed


@pytest.mark.parametrize(
    "address", ["http://10.0.0.7:8000/v1", "http://models.example/v1", "http://localhost.example/v1"]
)
def test_a_key_goes_to_another_machine_unencrypted_only_where_that_is_allowed(address: str) -> None:
    with pytest.raises(SettingsError, match=r"API_BASE_URL.*not encrypted.*ALLOW_PLAIN_HTTP"):
        load_settings({"API_BASE_URL": address})
    assert load_settings({"API_BASE_URL": address, "ALLOW_PLAIN_HTTP": "true"}).api_base_url == address


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8000", "http://localhost:11434/v1", "http://[::1]:80", "https://models.example"]
)
def test_encrypted_addresses_and_those_of_this_machine_need_no_leave(address: str) -> None:
    assert load_settings({"API_BASE_URL": address}).api_base_url == address


def test_a_token_without_a_repository_is_a_developers_shell_and_leaves_the_sample() -> None:
    settings = load_settings({"GITHUB_TOKEN": "t"})
    assert settings.is_sample and settings.data_dir.name == "sample"
