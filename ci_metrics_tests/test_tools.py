"""The makers of data and the benchmarks run from a checkout, and each says what it does."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def programs() -> list[str]:
    """The modules of tools/ and bench/ that are run: those with a `__main__`."""
    files = [*(ROOT / "tools").rglob("*.py"), *(ROOT / "bench").glob("*.py")]
    run = [f for f in files if f.name == "__main__.py" or 'if __name__ == "__main__":' in f.read_text()]
    names = (".".join(file.relative_to(ROOT).with_suffix("").parts) for file in run if "recipes" not in file.parts)
    return sorted(name.removesuffix(".__main__") for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("program", programs())
def test_a_program_tells_its_usage_and_writes_nothing(program: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", program, "--help"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-1000:]
    assert done.stdout.startswith("usage: ")
    assert list(tmp_path.iterdir()) == []


def test_no_module_of_the_package_knows_the_tools_or_the_tests() -> None:
    for file in (ROOT / "ci_metrics").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            outside = [name for name in names if name.split(".")[0] in ("tools", "bench", "ci_metrics_tests")]
            assert outside == [], file


def test_there_are_programs_to_ask() -> None:
    assert {"tools.learn_ranking", "tools.learn_classifier", "tools.sample_cases", "tools.record"} <= set(programs())
