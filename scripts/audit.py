"""Known holes in the locked packages, by pip-audit: `make audit`.

Exit code 1 where there are some. Where the database of holes cannot be reached, nothing is known,
which is said, and is no failure: being offline breaks no build.
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: OSV's database holds those of all sources.
COMMAND = ("-m", "pip_audit", "--vulnerability-service", "osv", "--disable-pip", "--require-hashes", "--format", "json")
OPTIONS = ("--progress-spinner", "off", "--timeout", "30", "-r")


def verdict(printed: str, said: str) -> tuple[str, int]:
    """What pip-audit's standard output and error come to, in words, and the exit code."""
    try:
        packages = json.loads(printed)["dependencies"]
    except (ValueError, KeyError):
        why = next((line for line in reversed(said.splitlines()) if line.strip()), "pip-audit said nothing")
        return f"NOT AUDITED: nothing is known of holes in the dependencies ({why.strip()[:200]})", 0
    holes = [
        f"{package['name']} {package.get('version', '')}: {hole['id']}"
        + (f", mended in {', '.join(hole['fix_versions'])}" if hole.get("fix_versions") else ", not mended yet")
        for package in packages
        for hole in package.get("vulns", ())
    ]
    skipped = [
        f"{package['name']} was not audited: {package['skip_reason']}"
        for package in packages
        if "skip_reason" in package
    ]
    summary = f"{len(packages) - len(skipped)} packages audited, {len(holes)} known holes"
    return "\n".join([*holes, *skipped, summary]), 1 if holes else 0


def main() -> int:
    """Audit both lock files."""
    worst = 0
    for lock in ("requirements.lock", "requirements-dev.lock"):
        command = [sys.executable, *COMMAND, *OPTIONS, str(ROOT / lock)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            text, code = verdict(done.stdout, done.stderr)
        except subprocess.TimeoutExpired:
            text, code = verdict("", "no answer within 300 s")
        print(f"{lock}: {text}")
        worst = max(worst, code)
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
