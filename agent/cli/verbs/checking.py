"""`rsi doctor`: may a campaign start on this machine?"""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields

from rsi.agent.cli.context import emit, home, note
from rsi.agent.cli.verbs.needs import (
    artifact_problems,
    engine_problems,
    home_problems,
    lineage_problems,
    network_problems,
    server_problems,
)
from rsi.agent.errors import AgentError, UnknownCommitError
from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.providers import is_reader
from rsi.agent.llm.trying import TriedModel, try_model
from rsi.agent.plugins import TriedPlugin, tried_plugins
from rsi.agent.queue.liveness import live_workers
from rsi.agent.store.champion import Look, Standing, look_at_champion
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.git.server import ServerAddress
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.sandboxes.guarantees.doctor import DoctorReport, Severity, examine
from rsi.sandboxes.machine.devices import GpuHealth

GIB = 1 << 30
REFUSED = frozenset({Standing.LACKS_COMMIT, Standing.UNACCOUNTED})
"""Campaigns on such a lineage are refused until a person mends it; the others mend themselves."""


def doctor(args: argparse.Namespace) -> int:
    """Say whether a campaign may start on this machine; exit status 1 when it may not."""
    if not args.quick and not args.json:
        note("trying every guarantee of the sandbox; --quick leaves that out")
    report = examine(args.sandbox, with_conformance=not args.quick)
    ledger = _ledger_facts()
    plugins = tried_plugins()
    here = home()
    lacking = [
        *home_problems(here),
        *artifact_problems(here),
        *lineage_problems(here),
        *server_problems(here),
        *engine_problems(here),
        *network_problems(os.environ),
    ]
    tried = _tried_models(args, here)
    is_ready = report.may_start and not ledger.get("problem") and not lacking
    is_ready = is_ready and all(each.is_ok for each in tried)
    emit(
        args,
        {
            "may_start": is_ready,
            "sandbox": _sandbox_facts(report),
            "ledger": ledger,
            "lacking": lacking,
            "plugins": plugins,
            **({} if args.models is None else {"models": tried}),
        },
        [
            *_sandbox_lines(report),
            *_plugin_lines(plugins),
            *_ledger_lines(ledger),
            *(f"  STOP    {each}" for each in lacking),
            *_model_lines(args, tried),
            _verdict(is_ready=is_ready),
        ],
    )
    return 0 if is_ready else 1


def _tried_models(args: argparse.Namespace, here: Home) -> tuple[TriedModel, ...]:
    """What came of one call of each model that was asked for."""
    if args.models is None:
        return ()
    keys = KeyRing()
    return tuple(try_model(each, keys) for each in args.models or _models_in_use(here))


def _models_in_use(here: Home) -> tuple[str, ...]:
    """The models of all campaigns that are not over, each once; those without a provider are left out."""
    if here.database_url is None and not here.ledger_path.exists():
        return ()
    try:
        with Ledger.open(here, read_only=True) as ledger:
            configs = [each.record.config for each in ledger.campaigns(has_ended=False)]
    except AgentError:
        return ()  # it is told beside the ledger
    named = [
        name
        for config in configs
        for name in (config.proposer, *config.other_proposers, config.critic, config.reviewer)
    ]
    return tuple(dict.fromkeys(each for each in named if ":" in each and is_reader(each)))


def _model_lines(args: argparse.Namespace, tried: Sequence[TriedModel]) -> Iterator[str]:
    if args.models is not None and not tried:
        yield "  models  no campaign that is not over has one with a provider; name some: rsi doctor --models MODEL"
    for each in tried:
        yield f"  {'model ' if each.is_ok else 'STOP  '}  {each.model}: {each.said}"


def _ledger_facts() -> dict[str, object]:
    """Where the ledger is and whether it is whole; one that does not exist yet is no problem."""
    here = home()
    facts: dict[str, object] = {"home": str(here.root)}
    if here.lineages_url is not None:
        with suppress(AgentError):  # told among what is lacking
            facts["lineages"] = f"shared through {ServerAddress.parse(here.lineages_url).url}"
    if here.database_url is None and not here.ledger_path.exists():
        return facts | {"ledger": "none yet; the first campaign makes it"}
    try:
        with Ledger.open(here, read_only=True) as ledger:
            chain, problems = ledger.verify_chain(), ledger.storage_problems()
            facts |= {
                "ledger": ledger.label,
                "chain": f"{chain.rows} decisions and promotions, "
                + ("intact" if chain.is_intact else f"BROKEN: {chain.reason}"),
                "workers": len(live_workers(ledger)),
            }
            moved = list(_unrecorded(here, ledger))
            if moved:
                facts["moved"] = "; ".join(each.said for each in moved)
            if refused := [each.said for each in moved if each.standing in REFUSED]:
                facts["problem"] = "; ".join(refused)
            if not chain.is_intact:
                facts["problem"] = chain.reason
            if problems:
                facts["problem"] = "; ".join(problems)
    except AgentError as error:
        facts["problem"] = str(error)
    return facts


def _unrecorded(here: Home, ledger: Ledger) -> Iterator[Look]:
    """Lineages of this home that disagree with the ledger: also how a cut-off end of its chain shows."""
    for path in sorted(here.lineages.glob("*.git")):
        lineage = Lineage.open(here, path.stem, create=False)
        try:
            found = look_at_champion(ledger, lineage)
        except UnknownCommitError:
            continue  # made, and nothing in it yet
        if found.said:
            yield found


def _sandbox_facts(report: DoctorReport) -> dict[str, object]:
    """The report in plain values: of a backend how it stands here, not the thing itself."""
    facts = {each.name: getattr(report, each.name) for each in fields(report)}
    backends = [{"name": each.name, "availability": each.availability} for each in report.backends]
    disks = [{**asdict(each), "path": str(each.path)} for each in report.disks]
    return {**facts, "backends": backends, "disks": disks}


def _sandbox_lines(report: DoctorReport) -> Iterator[str]:
    for each in report.backends:
        mark = "*" if each.name == report.chosen else " "
        state = "ok" if each.availability.is_available else "no"
        yield f"{mark} sandbox {each.name:<14} {state}  {each.availability.reason}"
    yield f"  chosen  {report.reason if report.chosen else f'none: {report.reason}'}"
    for component in report.engine:
        holes = f"  known holes: {'; '.join(component.holes)}" if component.holes else ""
        yield f"  engine  {component.name} {component.version}{holes}"
    for gpu, health in report.gpus:
        yield f"  gpu     {gpu.name} {gpu.uuid}: {_gpu_state(health)}"
    if not report.gpus:
        yield "  gpu     none; tasks that need one are refused"
    allowed = ", ".join(f"{name} {most:g}" for name, most in report.ceilings.items())
    yield f"  at most {allowed} for one sandbox (RSI_MAX_LIMITS)"
    for disk in report.disks:
        yield f"  disk    {disk.purpose}: {disk.free_bytes / GIB:.1f} GiB free in {disk.path}"
    for stray in (*report.stray_containers, *report.stray_groups):
        yield f"  stray   {stray}"
    for check in report.conformance:
        yield f"  guarantee {check.state.value:<8} {check.name:<17}{check.text} {check.detail}".rstrip()
    for finding in report.findings:
        word = "STOP" if finding.severity is Severity.BLOCKER else "note"
        yield f"  {word}    {finding.text}"


def _plugin_lines(plugins: Sequence[TriedPlugin]) -> Iterator[str]:
    for each in plugins:
        yield f"  plug-in {each.plugin.origin}: {each.problem or 'ok'}"


def _gpu_state(health: GpuHealth) -> str:
    foreign = f", {len(health.foreign_pids)} foreign processes" if health.foreign_pids else ""
    slowed = f", slowed by {', '.join(health.throttle_reasons)}" if health.throttle_reasons else ""
    return f"{health.free_bytes / GIB:.1f} of {health.memory_bytes / GIB:.1f} GiB free{foreign}{slowed}"


def _ledger_lines(facts: dict[str, object]) -> Iterator[str]:
    for key, value in facts.items():
        yield f"  {key:<7} {value}"


def _verdict(*, is_ready: bool) -> str:
    return (
        "a campaign may start" if is_ready else "no campaign may start: see STOP or problem above"
    )
