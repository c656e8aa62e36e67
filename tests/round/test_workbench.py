"""A model works through one round over HTTP: what it does in its shell is what a measured run does."""

from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median

import pytest
from tests.agent.llm.servers import FakeProvider, Say
from tests.round.scripted_server import CANARY, CLAUDE, GPT, playing

from rsi.agent.cli.entry import main
from rsi.agent.llm.types import Role, Text, ToolCall
from rsi.agent.store.records import AgentRole, Step, TrajectoryKind
from rsi.agent.store.round_book import RoundBook
from rsi.agent.trajectory.recorded import last_recording, read_recordings
from rsi.tasks.format.loader import load_task

MOST_WAIT_S = 0.6
EDITOR = "str_replace_based_edit_tool"
NOTE = "# counted row by row\n"


def bash(command, **more):
    return ("bash", {"command": command, **more})


def editor(command, path, **more):
    return (EDITOR, {"command": command, "path": path, **more})


def submit():
    said = {"hypothesis": "A remark costs nothing.", "predicted_ratio": 1.0, "risk": "none"}
    return ("submit", said)


TURNS = (
    [editor("view", "."), editor("view", "/work/repo/run.py"), editor("view", "/work/io/public")],
    [bash("python run.py && ls /work/io/out && echo threads=$OMP_NUM_THREADS seed=$RSI_SEED")],
    [bash("python -m cProfile -s tottime run.py | head -5"), bash("rm -rf /work/io/out/*")],
    [bash("python -c 'import pdb' && echo q | python -m pdb run.py")],
    [editor("insert", "bigram/count.py", insert_line=0, insert_text=NOTE), bash("git diff --stat")],
    [editor("create", "run.py", file_text="pass\n"), editor("create", "/work/scratch/x", file_text="x")],
    [bash("sleep 0.3; echo late", run_in_background=True)],
    [("bash_output", {"bash_id": "b1", "wait_s": 20})],
    [("measure", {"repeats": 2, "profile": True})],
    [submit()],
)  # fmt: skip


class Working(FakeProvider):
    """Plays some turns, and notes when each request came."""

    def __init__(self, turns):
        super().__init__()
        self.turns = turns
        self.came = []

    def next_act(self, request):
        self.came.append(datetime.now(UTC))
        number = sum(message.role is Role.ASSISTANT for message in request.messages)
        calls = tuple(
            ToolCall(id=f"call-{number}-{at}", name=name, arguments=arguments)
            for at, (name, arguments) in enumerate(self.turns[number])
        )
        return Say(blocks=(Text(text=f"Step {number}."), *calls))


@contextmanager
def working(monkeypatch, turns=TURNS):
    with Working(turns) as server:
        for name in ("ANTHROPIC", "OPENAI"):
            monkeypatch.setenv(f"{name}_API_KEY", CANARY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.root)
        monkeypatch.setenv("OPENAI_BASE_URL", server.root + "/v1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("spec", [CLAUDE, GPT])
def test_a_round_over_http_finds_the_measured_environment_and_no_tool_error_of_ours(
    spec, ledger, queue, work, monkeypatch, capfd
):
    with working(monkeypatch) as server:
        queue(["[[round]]\ngive_up = 'not played'\n"], proposer=spec, budget_usd=500.0)
        (campaign,) = ledger.campaigns()
        status, log = work()
    assert status == 0, log
    (line,) = RoundBook(ledger).of_campaign(campaign.record.id)
    events = ledger.events(line.record.id, AgentRole.PROPOSER)
    recording = last_recording(events)
    answers = [answer for turn in recording.turns for answer in turn.answers]
    texts = [answer.text for answer in answers]
    assert len(recording.turns) == len(TURNS), texts[-1]
    assert [each.text for each in answers if each.is_error] == [texts[9]]
    assert texts[9].startswith("run.py is protected: ")
    profile = load_task("toy").profiles["smoke"]
    assert f"threads={profile.cpu_count} seed=" in texts[3]
    assert "exit code 0" in texts[3]
    assert "function calls" in texts[4]
    assert "exit code 0" in texts[5]
    assert "(Pdb)" in texts[6]
    assert "bigram/count.py | 1 +" in texts[8]
    assert "late" in "".join(texts)
    (look,) = [each for each in answers if each.tool == "measure"]
    for words in (
        "ok: ",
        "MiB at most",
        "as good as the champion",
        "own time by function",
        "s of measuring are left",
    ):
        assert words in look.text
    assert look.facts["device_s"] > 0
    assert line.commit is not None
    assert waits(events, server.came) <= MOST_WAIT_S
    assert main(["replay", line.record.id]) == 0, capfd.readouterr().out


@pytest.mark.slow
def test_on_a_served_task_the_shell_reaches_a_development_harness_and_its_calls_are_kept(
    ledger, queue, work, monkeypatch, capfd
):
    turns = (
        [bash("python run.py | tail -1; python -m harness_link")],
        [bash("ls /link; python -m harness_link | grep calls_of")],
        [("give_up", {"reason": "only looked"})],
    )
    with working(monkeypatch, turns):
        idle = ["[[round]]\ngive_up = 'not played'\n"]
        queue(idle, task="compiler", proposer=CLAUDE, budget_usd=500.0)
        (campaign,) = ledger.campaigns()
        status, log = work()
    assert status == 0, log
    (line,) = RoundBook(ledger).of_campaign(campaign.record.id)
    recording = last_recording(ledger.events(line.record.id, AgentRole.PROPOSER))
    ran, asked, _ = (turn.answers[0].text for turn in recording.turns)
    assert '"purpose": "dev"' in ran
    assert "harness.sock" in asked
    assert "programs.json" not in asked
    proposed = ledger.step(line.record.id, Step.PROPOSE)
    assert f'"calls_of_all_runs": {proposed.development_calls},' in asked
    assert proposed.development_calls > 100
    assert proposed.development_problem == ""
    assert "python -m harness_link" in "\n".join(recording.brief)
    assert main(["replay", line.record.id]) == 0, capfd.readouterr().out


def waits(events, came):
    """The usual time from a tool's answer to the next request, in seconds."""
    done = [each.at for each in events if each.kind is TrajectoryKind.TOOL_RESULT]
    gaps = []
    for at in came[1:]:
        before = [each for each in done if each <= at]
        if before:
            gaps.append((at - max(before)).total_seconds())
    return median(gaps)


@pytest.mark.slow
def test_what_a_critic_sends_back_is_gone_on_from_with_its_findings_by_place(
    ledger, queue, work, idea, tmp_path, monkeypatch
):
    objection = (
        '[round.critique]\nstance = "revise"\ntext = "Say which rows are summed."\n'
        'objections = [{file = "bigram/fit.py", line = 7, message = "Which rows?"}]\n'
    )
    with playing(tmp_path, ledger, monkeypatch) as provider:
        provider.campaign_id = queue(
            [idea("02_row_sums_once") + objection], proposer=GPT, critic=GPT, budget_usd=500.0
        )
        status, log = work()
    assert status == 0, log
    (line,) = RoundBook(ledger).of_campaign(provider.campaign_id)
    assert line.ended_as == "promoted"
    first, second = read_recordings(ledger.events(line.record.id, AgentRole.PROPOSER))
    before = ledger.step(line.record.id, Step.COMMIT, 0)
    assert (first.start_commit, second.start_commit) == (None, before.commit)
    told = "\n".join(second.brief)
    assert "The repository holds this change, uncommitted" in told
    assert "bigram/fit.py:7: " in told
    assert "Which rows?" in told
    assert main(["replay", line.record.id]) == 0
