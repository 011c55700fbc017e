"""Why nothing was trained to its end: by how the trainings ended, and what to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from se_nas.search.config import SearchConfig
from se_nas.search.run_dir.directory import RunDirectory, display_path
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import records, rejecting_constraints
from se_nas.search.worker.reports import ENDS, FAILED, LABELS, End

Ending = tuple[End, str]  # how a training ended, and the reason in words


def explain_search(proposals: Proposals, config: SearchConfig, run: RunDirectory) -> str:
    """Return why a search has no network to choose from."""
    outcomes = (record.outcome for record in records(proposals.study) if record.trained)
    ends = [(outcome.end, outcome.reason) for outcome in outcomes if outcome is not None]
    if not ends:
        return _nothing_trained(proposals)
    return explain_ends("trial", ends, config, run)


def explain_ends(what: str, ends: Sequence[Ending], config: SearchConfig, run: RunDirectory) -> str:
    """Return why none of some trainings came to its end.

    Args:
        what: a word for one of them, ``trial``.
        ends: of them all, one at least.
    """
    counts = Counter(end for end, _ in ends)
    if len(counts) == 1:
        all_of_them = f"all {len(ends)} {what}s" if len(ends) > 1 else f"the only {what}"
        head = f"{all_of_them} {_verb(ends[0][0], len(ends))}{_reason(ends)}"
    else:
        parts = (
            f"{counts[end]} {_verb(end, counts[end])}{_reason([e for e in ends if e[0] == end])}"
            for end in ENDS
            if counts[end]
        )
        head = f"none of {len(ends)} {what}s came to its end: {', '.join(parts)}"
    return "; ".join([head, *_advice(counts, config, run)])


def _verb(end: End, count: int) -> str:
    verbs = {
        "stopped_early": "stopped early",
        "out_of_memory": "ran out of memory",
        "lost": "was lost" if count == 1 else "were lost",
    }
    return verbs.get(end, LABELS[end])


def _reason(ends: Sequence[Ending]) -> str:
    """Return the reason of most of them in brackets; empty if none has one."""
    reasons = Counter(reason for _, reason in ends if reason)
    if not reasons:
        return ""
    reason, count = reasons.most_common(1)[0]
    return f" ({reason})" if count == len(ends) else f" ({count} with: {reason})"


def _advice(counts: Counter[End], config: SearchConfig, run: RunDirectory) -> Iterator[str]:
    own = config.train is not None  # recipe and batch size are the user's own affair then
    recipe = config.recipe
    if counts["not_finite"]:
        yield (
            "lower the learning rate of your train(), or look for what it divides by"
            if own
            else f"lower the learning rate, now `learning_rate={recipe.learning_rate:g}` with "
            f"`batch_size={recipe.batch_size}`"
        )
    if counts["out_of_memory"]:
        batch = "that of your train()" if own else f"now `batch_size={recipe.batch_size}`"
        yield f"lower the batch size, {batch}, or `image_size`, or offer smaller networks"
    if any(counts[end] for end in FAILED) and any(run.errors.glob("*.txt")):
        yield f"the tracebacks are in {display_path(run.errors)}"


def _nothing_trained(proposals: Proposals) -> str:
    rejected = proposals.counts.rejected
    head = "no trial was begun: the sampler proposed no network"
    if not rejected:
        return head
    broken = rejecting_constraints(proposals.study)
    most = ", ".join(f"{name} by {count}" for name, count in broken.most_common())
    return f"{head} that keeps the constraints; {rejected} were rejected ({most})"
