"""The files of the sample repositories: who owns which, and which a commit changes.

What belongs here: CODEOWNERS, and paths that the recorded failures name. Does not: commits
(`commits.py`), who runs what (`scenario_plan.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from ci_metrics.sample.scenario_jobs import stable_number
from ci_metrics.sample.scenario_plan import GADGETS, WEB, WIDGETS

CODEOWNERS = ".github/CODEOWNERS"

#: repository -> path -> text.
FILES: Mapping[str, Mapping[str, str]] = {
    WIDGETS: {
        CODEOWNERS: """\
# The last line that fits decides.
*                      @sample-org/platform
/shop/                 @ada-fern @sample-org/shop
/tests/                @sample-org/shop
/tests/test_speed.py   @cy-marsh
/scripts/              @bo-lind
/docs/                 @sample-org/docs
/.github/              @sample-org/platform
"""
    },
    GADGETS: {
        CODEOWNERS: """\
*                      @sample-org/gadgets
*.go                   @dee-holt
*.rs                   @eli-brook
/src/*.c               @eli-brook @sample-org/firmware
/src/main/java/        @sample-org/jvm
/src/test/java/        @sample-org/jvm
/.github/              @sample-org/platform
"""
    },
    WEB: {
        CODEOWNERS: """\
*                      @sample-org/frontend
/src/                  @fay-wood @sample-org/frontend
/test/                 @fay-wood
package.json           @sample-org/platform
package-lock.json      @sample-org/platform
/.github/              @sample-org/platform
"""
    },
}

_PATHS: Mapping[str, tuple[str, ...]] = {
    WIDGETS: (
        "shop/basket.py",
        "shop/order.py",
        "shop/report.py",
        "shop/label.py",
        "tests/test_basket.py",
        "tests/test_cache.py",
        "scripts/render.py",
        "docs/manual.md",
        "requirements.txt",
    ),
    GADGETS: (
        "price.go",
        "price_test.go",
        "src/lib.rs",
        "src/ring.c",
        "src/main/java/org/sample/Basket.java",
        "CMakeLists.txt",
        "go.mod",
    ),
    WEB: ("src/basket.ts", "src/basket.js", "test/sort.test.js", "package.json", "package-lock.json", "docs/index.md"),
}


def changed_paths(repo: str, sha: str) -> tuple[str, ...]:
    """One to three of the repository's paths, always the same for a commit."""
    paths = _PATHS[repo]
    first = stable_number(f"changed {sha}", len(paths))
    count = 1 + stable_number(f"changes {sha}", 3)
    return tuple(sorted({paths[(first + 2 * n) % len(paths)] for n in range(count)}))
