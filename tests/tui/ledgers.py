"""Ledgers for the cockpit's tests, written through the ledger's own API, with a repository beside them.

Everything in them is of the shape that the rounds write; nothing here leaves the test's folder.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.facts import finished, left, report

from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    AgentRole,
    CampaignEventKind,
    CampaignRecord,
    ChargeRecord,
    ChargeRole,
    DecisionAction,
    DecisionRecord,
    LogChunk,
    PromotionRecord,
    RoundRecord,
    Step,
    TrajectoryEvent,
    TrajectoryKind,
    WorkerRecord,
    round_id_of,
)
from rsi.agent.store.steps.values import FileStat
from rsi.evals.types import (
    Arm,
    Disturbance,
    Finding,
    GuardResult,
    Interval,
    Measurement,
    Outcome,
    Purpose,
    QualityResult,
    Score,
    Severity,
    Verdict,
)
from rsi.sandboxes.types import FileEntry
from rsi.tasks.format.loader import find_task

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LINEAGE = "lm_training-fixed-demo"
TASK = find_task("lm_training")

TRAIN = '''"""The training loop."""

import torch
from torch.nn import functional


def train(text: bytes, steps: int) -> torch.nn.Module:
    """Train from scratch."""
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=False)
    for step in range(1, steps + 1):
        rows = [next_row(text, step, row) for row in range(32)]
        inputs, targets = torch.tensor(rows)[:, :-1], torch.tensor(rows)[:, 1:]
        loss = functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            print(f"step={step} loss={loss.item():.4f}", flush=True)
    return model
'''
LOADER = '''"""Batches of a text."""

import torch


def next_row(text: bytes, step: int, row: int) -> list[int]:
    """One row, a byte at a time."""
    start = (step * 977 + row * 131) % (len(text) - 129)
    values = []
    for index in range(start, start + 129):
        values.append(text[index])
    return values
'''
FAST_TRAIN = TRAIN.replace(
    """        rows = [next_row(text, step, row) for row in range(32)]
        inputs, targets = torch.tensor(rows)[:, :-1], torch.tensor(rows)[:, 1:]
""",
    """        inputs, targets = next_batch(text, step)
""",
).replace("foreach=False", "fused=True")
FAST_LOADER = '''"""Batches of a text."""

import torch


def next_batch(text: bytes, step: int, rows: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """All rows of a step at once."""
    values = torch.frombuffer(bytearray(text), dtype=torch.uint8).long()
    starts = (step * 977 + torch.arange(rows) * 131) % (len(text) - 129)
    grid = values[starts[:, None] + torch.arange(129)]
    return grid[:, :-1], grid[:, 1:]
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """One round of the sample campaign."""

    title: str
    ends: str
    """The word that the round ends with, "gate" to leave it there, or a step's name to leave it under way."""
    ratio: float = 1.0
    predicted: float = 1.1
    files: tuple[tuple[str, str], ...] = ()
    findings: tuple[Finding, ...] = ()
    held_by: tuple[str, ...] = ()
    lesson: str = ""


IDEAS: tuple[Idea, ...] = (
    Idea(title="Change nothing, to see the noise", ends="inconclusive", ratio=1.0, predicted=1.0,
         files=(("train.py", TRAIN + "\n# same\n"),), lesson="Ratios of equal code spread by 2 percent."),
    Idea(title="Draw the whole batch with one gather instead of 32 Python rows", ends="promoted", ratio=1.42,
         predicted=1.3, files=(("train.py", FAST_TRAIN), ("loader.py", FAST_LOADER)),
         lesson="The loader took a third of the time."),
    Idea(title="Read the hidden split through the harness folder", ends="not_admitted", predicted=9.0,
         files=(("train.py", "import glob\n" + FAST_TRAIN),),
         findings=(Finding(rule="reads_outside", severity=Severity.BLOCK, file="train.py", line=1,
                           message="opens files outside of the working folder", source="rules"),),
         lesson="Refused before anything ran."),
    Idea(title="torch.compile the model", ends="refuted", ratio=0.71, predicted=1.5,
         files=(("train.py", FAST_TRAIN.replace("model = Model()", "model = torch.compile(Model())")),),
         lesson="Compiling costs more than 300 steps can win back."),
    Idea(title="bf16 autocast around the forward pass", ends="gate", ratio=1.86, predicted=2.0,
         files=(("train.py", FAST_TRAIN.replace("        loss = functional", "        with torch.autocast(\"cpu\", torch.bfloat16):\n            loss = functional")),),
         findings=(Finding(rule="numerics", severity=Severity.NOTE, file="train.py", line=13,
                           message="loss is computed in bf16; the hidden quality is near its margin", source="anthropic:reviewer"),),
         lesson=""),
)  # fmt: skip


def disturbance(load: float = 0.8) -> Disturbance:
    return Disturbance(load_1m=load, steal_s=0.0, others_cpu_s=0.2, is_disturbed=False)


def measurement(arm: Arm, purpose: Purpose, pair: int, value: float) -> Measurement:
    return Measurement(
        arm=arm, purpose=purpose, pair=pair, position=pair % 2, outcome=Outcome.OK, cpu_s=value,
        wall_s=value * 0.6, max_rss_bytes=310_000_000, metric_value=value,
        quality={"hidden_bpb": 2.31 + value / 1000}, result={}, detail="", backend="bubblewrap",
        assurance="bubblewrap", seed_commitment="ab" * 32, disturbance=disturbance(),
    )  # fmt: skip


def score(ratio: float, verdict: Verdict, digest: str, pairs: int = 6) -> Score:
    half = 0.02 + 0.05 / pairs
    effect = Interval(
        estimate=ratio,
        low=ratio * (1 - half),
        high=ratio * (1 + half),
        confidence=0.95,
        pairs=pairs,
    )
    return Score(
        verdict=verdict, reason=f"the interval lies {'above' if ratio > 1.02 else 'not above'} 1.02",
        effect=effect, wall_effect=Interval(estimate=ratio * 0.99, low=ratio * 0.9, high=ratio * 1.1, confidence=0.95, pairs=pairs),
        quality=(QualityResult(name="hidden_bpb", champion_mean=2.312, candidate_mean=2.314, difference_low=-0.004,
                               difference_high=0.008, limit=2.4, margin=0.01, is_kept=True, reason=""),),
        guards=(GuardResult(name="max_rss_bytes ratio", value=1.04, bound=1.5, is_kept=True),
                GuardResult(name="source_bytes ratio", value=1.1, bound=4.0, is_kept=True)),
        pairs_used=pairs, pairs_invalid=0, outcomes={"ok": pairs}, is_plausible=ratio < 8,
        plausibility=f"{ratio:.2f} is below the plausible one-step bound of 8", digest=digest,
    )  # fmt: skip


class Sample:
    """A home with a ledger, a lineage, and a campaign of five rounds whose last one waits at the gate."""

    def __init__(self, folder: Path, *, seed: int = 7) -> None:
        self.home = Home(root=folder).create()
        self.ledger = Ledger.open(self.home)
        self.lineage = Lineage.open(self.home, LINEAGE)
        self.draw = random.Random(seed)
        self.now = START

    def tick(self, seconds: float = 1.0) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    def worker(self, *, at: datetime | None = None) -> None:
        moment = at or datetime.now(UTC)
        self.ledger.heartbeat(
            WorkerRecord(
                id="w1",
                host="bench",
                pid=4242,
                started_at=moment,
                heartbeat_at=moment,
                version="0.1.0",
            ),
            at=moment,
        )

    def campaign(
        self, name: str = "c1120-4f2a", *, rounds: int = 8, task: str = "lm_training"
    ) -> CampaignRecord:
        record = CampaignRecord(
            id=name, created_at=self.tick(), task=task, task_digest="d" * 64, track="fixed_model", profile="demo",
            lineage=LINEAGE, seed_commitment="e" * 64,
            config=CampaignConfig(
                task_root=str(TASK) if task == TASK.name else "", rounds=rounds, proposer="scripted:demo",
                budget_usd=5.0, seed="ab" * 16,
            ),
        )  # fmt: skip
        self.ledger.add_campaign(record)
        for kind in (CampaignEventKind.QUEUED, CampaignEventKind.STARTED):
            self.ledger.add_campaign_event(
                CampaignEvent(campaign_id=name, kind=kind, at=self.tick())
            )
        return record

    def play(self, campaign: CampaignRecord, ideas: tuple[Idea, ...] = IDEAS) -> list[str]:
        """Write the rounds of some ideas; returns their ids."""
        champion = self.lineage.import_baseline(
            (
                FileEntry(path="loader.py", content=LOADER.encode()),
                FileEntry(path="train.py", content=TRAIN.encode()),
            ),
            "Baseline of lm_training (fixed, demo)",
        )
        champion = self.lineage.champion()
        ids = []
        for number, idea in enumerate(ideas, start=1):
            round_id = round_id_of(campaign.id, number)
            ids.append(round_id)
            self.ledger.add_round(
                RoundRecord(id=round_id, campaign_id=campaign.id, number=number, champion_commit=champion,
                            created_at=self.tick())
            )  # fmt: skip
            champion = self._round(campaign, round_id, idea, champion)
        return ids

    def _step(
        self, round_id: str, step: Step, outcome: str = "ok", wall_s: float = 1.0, **changes: object
    ) -> None:
        started = self.now
        self.tick(wall_s)
        fact = left(step, outcome, **changes)
        self.ledger.add_step(finished(fact, round_id=round_id, started_at=started, wall_s=wall_s))

    def _round(self, campaign: CampaignRecord, round_id: str, idea: Idea, champion: str) -> str:
        self._step(round_id, Step.OPEN, champion_commit=champion, backend="bubblewrap", assurance="bubblewrap")  # fmt: skip
        self._step(round_id, Step.BRIEF, base_commit=champion)
        self.trajectory(round_id, idea, champion)
        if idea.ends == "propose":
            return champion
        self._step(round_id, Step.PROPOSE, wall_s=21, hypothesis=idea.title, predicted_ratio=idea.predicted,
                   risk="numerics may drift", model="scripted:demo", turns=6)  # fmt: skip
        tree = tuple(FileEntry(path=path, content=text.encode()) for path, text in sorted(
            {"loader.py": LOADER, "train.py": TRAIN, **dict(idea.files)}.items()))  # fmt: skip
        commit = self.lineage.commit_candidate(
            round_id, champion, tree, idea.title, {"Round": round_id}, at=self.now, attempt=0
        )
        names = sorted(path for path, _ in idea.files)
        self._step(
            round_id, Step.COMMIT, commit=commit, parent=champion, lines_added=9, lines_removed=4,
            files=tuple(FileStat(path=each, added_lines=9, removed_lines=4) for each in names),
        )  # fmt: skip
        self._step(
            round_id,
            Step.CRITIQUE,
            text="" if idea.ends != "gate" else "Check the margin of the hidden split.",
        )
        findings = idea.findings
        if idea.ends == "not_admitted":
            self._step(round_id, Step.ADMIT, "not_admitted", findings=findings)
            return self._report(round_id, idea, champion)
        self._step(round_id, Step.ADMIT, findings=())
        if idea.ends == "measure":
            self.measure(round_id, Purpose.SCREEN, idea.ratio, 3)
            return champion
        self.measure(round_id, Purpose.SCREEN, idea.ratio, 6)
        self._step(round_id, Step.MEASURE, wall_s=64, runs=12)
        verdict = {"inconclusive": Verdict.INCONCLUSIVE, "refuted": Verdict.REFUTED}.get(
            idea.ends, Verdict.SUPPORTED
        )
        screen = score(idea.ratio, verdict, f"{round_id}-screen")
        self._step(round_id, Step.SCORE, verdict.value, score=screen)
        if verdict is not Verdict.SUPPORTED:
            return self._report(round_id, idea, champion)
        self.measure(round_id, Purpose.CONFIRM, idea.ratio, 4)
        confirm = score(idea.ratio * 0.99, Verdict.SUPPORTED, f"{round_id}-confirm", pairs=4)
        self._step(round_id, Step.REVIEW, "held" if idea.held_by else "ok", wall_s=31, findings=findings,
                   score_digest=confirm.digest, held_by=idea.held_by, confirm=confirm)  # fmt: skip
        if idea.ends == "gate":
            return champion
        self.ledger.add_decision(
            DecisionRecord(round_id=round_id, action=DecisionAction.APPROVE, actor="person:ada", reason="", commit=commit,
                           score_digest=confirm.digest, at=self.tick(90))
        )  # fmt: skip
        self._step(
            round_id,
            Step.DECIDE,
            "approve",
            wall_s=0.1,
            commit=commit,
            score_digest=confirm.digest,
        )
        self.lineage.move_champion(champion, commit, f"round {round_id}")
        self.ledger.add_promotion(
            PromotionRecord(lineage=LINEAGE, round_id=round_id, old_commit=champion, new_commit=commit,
                            score_digest=confirm.digest, at=self.tick(), actor="person:ada")
        )  # fmt: skip
        self._step(round_id, Step.PROMOTE, "promoted", old_commit=champion, new_commit=commit)
        self._report(round_id, idea, champion)
        return commit

    def _report(self, round_id: str, idea: Idea, champion: str) -> str:
        self._step(
            round_id,
            Step.REPORT,
            report=report(lesson=idea.lesson, why=idea.lesson, outcome=idea.ends),
        )
        return champion

    def measure(self, round_id: str, purpose: Purpose, ratio: float, pairs: int) -> None:
        for pair in range(pairs):
            base = 20 * (1 + self.draw.gauss(0, 0.01))
            for arm, value in (
                (Arm.CHAMPION, base),
                (Arm.CANDIDATE, base / ratio * (1 + self.draw.gauss(0, 0.01))),
            ):
                self.ledger.add_measurement(round_id, measurement(arm, purpose, pair, value))
                rows = "".join(
                    f"step={step} loss={4.2 * 0.985 ** (step / 10) + self.draw.gauss(0, 0.03):.4f}\n"
                    for step in range(10, 310, 10)
                )
                self.ledger.add_log(
                    LogChunk(
                        round_id=round_id,
                        stream=f"{purpose.value}/{pair}/{arm.value}",
                        seq=0,
                        at=self.tick(2),
                        content=rows.encode(),
                    )
                )
        self.ledger.reserve(
            ChargeRecord(id=f"{round_id}/{purpose.value}", campaign_id=round_id.rsplit("-", 1)[0], round_id=round_id,
                         role=ChargeRole.DEVICE, model="bubblewrap", reserved_usd=0.0, reserved_at=self.now)
        )  # fmt: skip
        self.ledger.settle(
            f"{round_id}/{purpose.value}", actual_usd=0.0, device_s=12.0 * pairs, at=self.now
        )

    def trajectory(self, round_id: str, idea: Idea, base_commit: str) -> None:
        """What a short agent run leaves."""
        path, content = idea.files[0] if idea.files else ("train.py", TRAIN)
        rows: list[tuple[TrajectoryKind, dict[str, object]]] = [
            (TrajectoryKind.SYSTEM, {"model": "scripted:demo", "system": "You speed up training.", "tools": [], "base_commit": base_commit}),
            (TrajectoryKind.USER, {"text": "Make train.py faster without losing quality.", "source": "brief"}),
            (TrajectoryKind.MODEL, {"texts": [f"I will try this: {idea.title}."], "usd": 0.004, "stop_reason": "tool_use",
                                    "layout": ["text", "reasoning", *["tool_call"] * 6]}),
            (TrajectoryKind.THINKING, {"text": "The loader is a Python loop.", "provider": "scripted", "payload": {}}),
            (TrajectoryKind.TOOL_CALL, {"id": "t1", "name": "view", "arguments": {"path": "train.py"}}),
            (TrajectoryKind.TOOL_RESULT, {"call_id": "t1", "tool": "view", "text": TRAIN, "is_error": False}),
            (TrajectoryKind.TOOL_CALL, {"id": "t2", "name": "edit", "arguments": {"path": "train.py", "old": "no such text", "new": "x"}}),
            (TrajectoryKind.TOOL_RESULT, {"call_id": "t2", "tool": "edit", "text": "`old` was not found.", "is_error": True}),
            (TrajectoryKind.TOOL_CALL, {"id": "t3", "name": "write", "arguments": {"path": path, "content": content}}),
            (TrajectoryKind.TOOL_RESULT, {"call_id": "t3", "tool": "write", "text": f"{path} was replaced.", "is_error": False}),
            (TrajectoryKind.TOOL_CALL, {"id": "t4", "name": "shell", "arguments": {"command": "python -m py_compile train.py"}}),
            (TrajectoryKind.TOOL_RESULT, {"call_id": "t4", "tool": "shell", "text": "exit code 0, 0.1 s\n(no output)", "is_error": False}),
            (TrajectoryKind.TOOL_CALL, {"id": "t5", "name": "measure", "arguments": {}}),
            (TrajectoryKind.TOOL_RESULT, {"call_id": "t5", "tool": "measure", "text": "ok: 14.1 CPU-s; hidden_bpb 2.31", "is_error": False}),
            (TrajectoryKind.TOOL_CALL, {"id": "t6", "name": "submit", "arguments": {"hypothesis": idea.title, "predicted_ratio": idea.predicted}}),
            (TrajectoryKind.END, {"outcome": "submitted", "reason": "", "turns": 6}),
        ]  # fmt: skip
        self.ledger.add_events(
            [
                TrajectoryEvent(round_id=round_id, agent=AgentRole.PROPOSER, seq=seq, at=self.tick(2), kind=kind, payload=payload,
                                input_tokens=900 if kind is TrajectoryKind.MODEL else None,
                                output_tokens=120 if kind is TrajectoryKind.MODEL else None,
                                cost_usd=0.004 if kind is TrajectoryKind.MODEL else None)
                for seq, (kind, payload) in enumerate(rows)
            ]
        )  # fmt: skip
