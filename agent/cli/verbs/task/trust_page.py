"""The one page of `rsi task check --deep`: can this evaluator be trusted, and what is to be fixed first."""

import json
from collections.abc import Iterator

from rsi.agent.cli.context import table
from rsi.agent.cli.verbs.reading import show_interval
from rsi.agent.store.codec import encode
from rsi.agent.trust.task_trust import TrustReport
from rsi.agent.trust.trust_verdict import TriedCheat
from rsi.tasks.types import Task


def trust_page(report: TrustReport, task: Task) -> list[str]:
    """The page, line by line."""
    basics = report.basics
    lines = ["", f"{basics.task} ({basics.track}, {basics.profile}) in {basics.backend}", ""]
    lines += _noise(report, task)
    if report.patches:
        rows = [
            (each.name, each.expect, each.verdict, show_interval(each.effect))
            for each in report.patches
        ]
        lines += ["", *table(("solution", "expected", "measured", "against the baseline"), rows)]
    if report.cheats:
        caught = sum(each.is_caught for each in report.cheats)
        lines += ["", f"cheats caught as named: {caught} of {len(report.cheats)}"]
        headers = ("cheat", "ended as", "stopped by", "with admission off")
        lines += table(headers, [_cheat_row(each) for each in report.cheats])
    lines += ["", *_verdict(report)]
    return lines


def calibration_text(report: TrustReport) -> str:
    """What a later reader needs of the numbers, as JSON."""
    kept = {
        "task": report.basics.task,
        "track": report.basics.track,
        "profile": report.basics.profile,
        "digest": report.basics.digest,
        "backend": report.basics.backend,
        "noise": report.noise,
        "solutions": list(report.patches),
        "cheats": list(report.cheats),
        "problems": list(report.problems),
        "warnings": list(report.warnings),
    }
    return json.dumps(json.loads(encode(kept)), indent=2) + "\n"


def _noise(report: TrustReport, task: Task) -> Iterator[str]:
    noise = report.noise
    if noise is None:
        return
    yield (
        f"noise       sd of the log ratio of one pair {noise.log_ratio_sd:.4f} over {noise.pairs} pairs; "
        f"the same code against itself {show_interval(noise.null_effect)}"
    )
    yield (
        f"reach       smallest gain seen nine times in ten at the cap: {noise.smallest_detectable:.1%} "
        f"(what counts: {task.metric.minimum_effect:.1%})"
    )
    if noise.floor_s is not None:
        passed = [
            each.name
            for each in report.patches
            if each.effect and noise.times_floor and each.effect.estimate > noise.times_floor
        ]
        times = (
            ""
            if noise.times_floor is None
            else f", which {passed[0]} passed, so it bounds nothing"
            if passed
            else f", the baseline {noise.times_floor:.1f} times that"
        )
        yield f"floor       the least that a run must do takes {noise.floor_s:.3f} {task.metric.unit}{times}"
    best = report.headroom
    yield (
        "headroom    no known gain was found"
        if best is None
        else f"headroom    {show_interval(best.effect)} by {best.name}"
    )


def _cheat_row(each: TriedCheat) -> tuple[str, ...]:
    mark = "" if each.is_caught else "  <- expected " + " or ".join(each.expect)
    by = f"{each.stopped_by or 'NOTHING'}: {each.reason}"
    behind = "not run"
    if each.behind is not None:
        behind = f"{each.behind}, by {each.behind_layer or 'NOTHING'}"
    return (each.name, each.ended_as + mark, by[:60], behind)


def _verdict(report: TrustReport) -> Iterator[str]:
    if report.is_trusted:
        yield "VERDICT: this evaluator can be trusted on this machine"
    else:
        yield "VERDICT: not yet; fix this first:"
        for number, problem in enumerate(report.problems, start=1):
            yield f"  {number}. {problem}"
    for warning in report.warnings:
        yield f"  note: {warning}"
