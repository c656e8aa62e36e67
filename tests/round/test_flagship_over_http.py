"""The flagship over HTTP, as a person with a key would run it: a model works in its shell, round after round.

Each turn is what a model does: look, run, profile, change files with git's help, measure, hand in. What a person waits
for between the turns is ours, and is said.
"""

from statistics import median

import pytest
from tests.agent.llm.servers import FakeProvider, Say
from tests.round.scripted_server import CANARY, CLAUDE, GPT
from tests.round.test_workbench import MOST_WAIT_S, bash, editor, waits

from rsi.agent.llm.types import Role, Text, ToolCall
from rsi.agent.report.campaign_report import build_report
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import AgentRole, CampaignState, utc_now
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.stages import worked_s
from rsi.agent.trajectory.recorded import last_recording
from rsi.tasks.format.loader import load_task

LADDER = ("02_flat_adamw", "01_null", "03_batched_heads", "01_null")
PREDICTED = {"01_null": 1.0}


def turns_of(task, name):
    """What a model does that has this change in mind."""
    patch = next(each for each in task.solutions if each.name == name).patch.read_text("utf-8")
    said = {
        "hypothesis": f"What {name} changes costs time.",
        "predicted_ratio": PREDICTED.get(name, 1.3),
        "risk": "the loss may move",
    }
    return (
        [editor("view", "."), bash("git log --oneline | head -3 && nproc")],
        [bash("python run.py 2>&1 | tail -3 && ls /work/io/out")],
        [bash(f"git apply - <<'PATCH'\n{patch}PATCH\ngit diff --stat")],
        [("measure", {"repeats": 2, "profile": True})],
        [("submit", said)],
    )


class Working(FakeProvider):
    """Plays the ladder, a change a round, and notes when each request came."""

    def __init__(self, task, ledger):
        super().__init__()
        self._task, self._ledger = task, ledger
        self.campaign_id, self.came = "", {}

    def next_act(self, request):
        number = len(self._ledger.rounds(self.campaign_id))
        self.came.setdefault(number, []).append(utc_now())
        at = sum(message.role is Role.ASSISTANT for message in request.messages)
        calls = tuple(
            ToolCall(id=f"call-{number}-{at}-{index}", name=name, arguments=arguments)
            for index, (name, arguments) in enumerate(turns_of(self._task, LADDER[number - 1])[at])
        )
        return Say(blocks=(Text(text=f"Step {at} of {LADDER[number - 1]}."), *calls))


@pytest.mark.exhaustive
@pytest.mark.timeout(2700)
@pytest.mark.parametrize(("spec", "rounds"), [(CLAUDE, len(LADDER)), (GPT, 1)])
def test_a_campaign_on_the_flagship_meets_no_tool_error_and_waits_for_nobody(
    spec, rounds, home, ledger, queue, work, monkeypatch
):
    task = load_task("lm_training")
    with Working(task, ledger) as server:
        for name in ("ANTHROPIC", "OPENAI"):
            monkeypatch.setenv(f"{name}_API_KEY", CANARY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.root)
        monkeypatch.setenv("OPENAI_BASE_URL", server.root + "/v1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        server.campaign_id = queue(
            ["[[round]]\ngive_up = 'not played'\n"] * rounds,
            proposer=spec, task="lm_training", budget_usd=500.0,
        )  # fmt: skip
        status, log = work(timeout_s=2400)
    assert status == 0, log
    campaign_id = server.campaign_id
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert len(lines) == rounds
    gaps = []
    for number, line in enumerate(lines, start=1):
        events = ledger.events(line.record.id, AgentRole.PROPOSER)
        answers = [answer for turn in last_recording(events).turns for answer in turn.answers]
        assert len(answers) == 6
        assert not [each.text for each in answers if each.is_error]
        assert "exit code 0" in answers[2].text
        assert "trainer/" in answers[3].text, "the change is in the working tree"
        assert line.ended_as in {"promoted", "refuted", "inconclusive"}, line.reason
        gaps.append(waits(events, server.came[number]))
    assert lines[0].ended_as == "promoted", lines[0].reason
    assert median(gaps) <= MOST_WAIT_S, gaps
    lineage = Lineage.open(home, ledger.campaign(campaign_id).lineage, create=False)
    report = build_report(ledger, lineage, campaign_id)
    under_way_s = worked_s(ledger.campaign_events(campaign_id), utc_now())
    assert sum(each.wall_s for each in report.time) == pytest.approx(under_way_s, rel=0.02)
    print([(line.ended_as, line.reason) for line in lines], gaps, report.time)
