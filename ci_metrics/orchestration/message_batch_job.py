"""The job that collects message batches, and what the ledger of them says to do next.

Belongs here: when to look, which hours have got their verdicts. Does not: collecting
(`verdicts/batches.py`), the ledger (`llm/batch_ledger.py`), when it runs (`sensors.py`).
"""

import dagster as dg

from ci_metrics.llm.batch_ledger import BatchLedger
from ci_metrics.orchestration.parts import JudgePart


@dg.op(pool="llm", description="Keep the verdicts of batches that have ended, and send expired questions again.")
def collect_batches(context: dg.OpExecutionContext, judge: dg.ResourceParam[JudgePart]) -> None:
    """What was answered is kept; the hours that waited for it are judged again by
    the sensor's next request.
    """
    if judge.batches is None:
        raise dg.Failure(
            "no model is asked in batches. Set ANTHROPIC_API_KEY, and MODEL_BATCHES=true", allow_retries=False
        )
    found = judge.batches.collect()
    for key, why in found.failed.items():
        context.log.warning(f"⚠️ {key}: {why}")
    context.add_output_metadata(
        {
            "verdicts": found.verdicts,
            "sent_again": found.resubmitted,
            "failed": len(found.failed),
            "still_open": found.still_open,
            "completion_tokens": found.usage.completion_tokens,
            "cost_usd": round(found.usage.cost_usd, 6),
        }
    )


@dg.job(description="Collect the model's verdicts on history that were asked for at half price.")
def collect_message_batches() -> None:
    """`collect_batches`, and nothing else."""
    collect_batches()


def answered_and_waiting(ledger: BatchLedger) -> tuple[set[str], set[str]]:
    """The hours whose verdicts have come, and all that wait in the ledger: an hour leaves
    it when it is judged again.
    """
    under_way = ledger.look().keys
    waiting = ledger.waiting_partitions()
    return {hour for hour, keys in waiting.items() if not under_way.issuperset(keys)}, set(waiting)
