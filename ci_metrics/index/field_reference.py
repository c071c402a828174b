"""The field reference (docs/documents.md) from the table of fields: `python -m
ci_metrics.index.field_reference > docs/documents.md`.
"""

from __future__ import annotations

import sys

from ci_metrics.index.field_table import FIELDS, IGNORE_ABOVE, KINDS, Field

_HEAD = f"""# Documents

Made from `ci_metrics/index/field_table.py` by `python -m ci_metrics.index.field_reference`; a test
holds it to that. Mappings and the embedded index's tables come from the same table.

One document per attempt. Ids are deterministic, so that writing an hour twice changes nothing:

| documents | index (setting) | `_id` |
|---|---|---|
| workflows | `WORKFLOW_INDEX` | `github-workflow-{{run_id}}-attempt-{{run_attempt}}` |
| jobs | `JOB_INDEX` | `github-job-{{job_id}}-attempt-{{run_attempt}}` |
| steps | `STEPS_INDEX` | `github-step-{{job_id}}_{{step_number}}-attempt-{{run_attempt}}` |
| verdicts | `ERROR_CLASSIFICATION_INDEX` | `{{fingerprint}}-{{classifier_version}}` |

- A field without a value is absent: never null, never 0 for “unknown”. Times are UTC to the second.
- Mappings are explicit and strict: a document with another field is refused. Keywords over
  {IGNORE_ABOVE:,} characters are stored, but not searched, counted or sorted by.
- Text is searched by words of letters, digits and underscores, whatever their case: `test_a` finds
  “tests/test_a.py”.
- Error fields stand on failed jobs and on their failed steps (conclusion failure, timed_out,
  cancelled or startup_failure), and only while classification is on. A failed step carries its own
  error; where the job's errors lie in other steps it says `no_error_found`.
- An index made earlier, with other mappings, gets the fields it lacks. A field in it that cannot
  hold ours is named in an error. Words in text fields added to it are OpenSearch's standard ones
  (`tests/test_a.py` is then two words).
- In the embedded index (`index.sqlite`) each kind is a view of its name with a column per field
  (`@timestamp` is `timestamp`), and `job_errors` has a row per entry of `errors`.

"""


def field_reference() -> str:
    """The page's text."""
    return _HEAD + "\n".join(
        [
            "## Fields",
            "",
            "W workflows, J jobs, S steps, V verdicts, E entries of `errors`; a list is marked [].",
            "",
            "| field | type | in | what |",
            "|---|---|---|---|",
            *(_row(field) for field in FIELDS),
            "",
        ]
    )


def _row(field: Field) -> str:
    carried = "".join(kind[0].upper() for kind in KINDS if kind in field.kinds) + ("E" if field.in_errors else "")
    return f"| `{field.name}` | {field.type}{' []' if field.many else ''} | {carried} | {field.meaning} |"


if __name__ == "__main__":
    sys.stdout.write(field_reference())
