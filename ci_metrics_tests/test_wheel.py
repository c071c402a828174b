"""The wheel is the whole product: installed beside nothing but its dependencies, it does the
main job outside a checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from datetime import timedelta
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from ci_metrics import __version__
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.sample.scenario import sample_world

pytestmark = pytest.mark.slow  # an environment of its own, and nothing compiled in it

ROOT = Path(__file__).parents[1]
LOG = "2026-03-02T09:00:00.0000000Z ##[group]Run pytest\n2026-03-02T09:00:01.0000000Z E   ModuleNotFoundError: No module named 'basket'\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what a checkout holds for it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(
        ROOT / "ci_metrics", source / "ci_metrics", symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE", "dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, source / name)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
    ran([sys.executable, "-c", build], source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `ci-metrics` program of a fresh environment, which borrows the
    dependencies of the one that tests.
    """
    home = tmp_path_factory.mktemp("environment")
    ran([sys.executable, "-m", "venv", "--without-pip", str(home)], home)
    python = home / "bin/python"
    ran(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)],
        home,
    )
    where = ran([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], home).strip()
    # A path named in a .pth file is searched last, and its own .pth files (the checkout's
    # editable install) are not read.
    (Path(where) / "dependencies.pth").write_text(
        "\n".join({sysconfig.get_path(name) for name in ("purelib", "platlib")})
    )
    found = ran([str(python), "-c", "import ci_metrics; print(ci_metrics.__file__)"], home).strip()
    assert Path(found).is_relative_to(home), "the checkout's package is not what is tested"
    return home / "bin/ci-metrics"


def ran(command: list[str], folder: Path, timeout: float = 240) -> str:
    """What the command printed; that it fails fails the test. Nothing of our
    own environment reaches it.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            **kept,
            "HOME": str(folder.parent),
            "CI_METRICS_HOME": str(folder / "data"),
        },  # tests share what is compiled
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package_and_dagsters_two_as_they_are_in_the_checkout(wheel: Path) -> None:
    def of_the_package(path: Path) -> bool:
        return path.is_file() and path.suffix != ".pyc"

    files = {str(p.relative_to(ROOT)) for p in (ROOT / "ci_metrics").rglob("*") if of_the_package(p)}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert packed == files
        for name in ("dagster.yaml", "workspace.yaml"):
            assert archive.read(f"ci_metrics/orchestration/{name}") == (ROOT / name).read_bytes()


def test_the_wheel_says_its_version_authors_and_that_it_is_typed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        told = PathDistribution(zipfile.Path(archive, f"ci_metrics-{__version__}.dist-info/")).metadata
    assert (told["Name"], told["Version"]) == ("ci_metrics", __version__)
    assert told["Author"] and told["License-Expression"] == "MIT"
    assert "Typing :: Typed" in (told.get_all("Classifier") or [])


def test_an_installed_copy_lists_its_commands_and_judges_a_log(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text(LOG)
    assert "classify" in ran([str(installed), "--help"], tmp_path)
    assert ran([str(installed), "--version"], tmp_path).strip() == __version__
    verdict = json.loads(ran([str(installed), "classify", "--json", "build.log"], tmp_path))
    assert verdict["state"] == "classified" and "basket" in verdict["evidence"][0]["text"]


def test_an_installed_copy_does_the_main_job_with_dagsters_settings_of_the_project(
    installed: Path, tmp_path: Path
) -> None:
    world = sample_world()
    first = hour_key(world.end - timedelta(hours=6))
    said = ran([str(installed), "upload", "--from", first], tmp_path)
    assert "failed" in said
    (settings,) = (tmp_path / "data").rglob("dagster.yaml")
    assert settings.read_bytes() == (ROOT / "dagster.yaml").read_bytes()
    assert json.loads(ran([str(installed), "search", "--json", "--limit", "3"], tmp_path))
