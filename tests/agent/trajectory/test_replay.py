"""Recorded rounds run again, diverge where they should, and can be taken up in the middle."""

import time
from dataclasses import replace

import pytest
from tests.agent.puppet import GIVE_UP, Puppet
from tests.agent.roles.proposer.test_scripted_rounds import ENTRY, SQUARE, file_of
from tests.agent.trajectory.conftest import as_ledger

from rsi.agent.llm.scripted.replayed import ReplayModel
from rsi.agent.roles.proposer.workbench.checks import FreeChecks
from rsi.agent.store.records import TrajectoryKind
from rsi.agent.trajectory.forking import fork
from rsi.agent.trajectory.recorded import RecordingError, last_recording, turn_at
from rsi.agent.trajectory.replay import masked, replay
from rsi.agent.types import ProposalOutcome

SUBMIT = ("submit", {"hypothesis": "h", "predicted_ratio": 1.1, "risk": "r"})


def shell(command):
    return ("shell", {"command": command})


def edit(old, new):
    return ("edit", {"path": "model.py", "old": old, "new": new})


def test_a_scripted_round_replays_without_divergence_to_the_same_tree(lab, record, fresh):
    recording = record(lab.scripted(ENTRY, square=SQUARE))
    found = replay(recording, fresh(), lab.tree)
    assert found.divergence is None
    assert (found.turns, found.from_record) == (5, 1)
    assert b"square = radius * radius" in found.tree[0].content


def test_times_pids_and_addresses_are_not_divergences(lab, record, fresh):
    noisy = shell(
        "echo pid $$; sleep 0.01; echo took 0.$RANDOM s; sleep 1 & echo '<x at 0x7f'$$$$'>'"
    )
    recording = record(Puppet(noisy, GIVE_UP))
    assert replay(recording, fresh(), lab.tree).divergence is None


@pytest.mark.parametrize("command", ["echo $RANDOM$RANDOM", "cat /proc/sys/kernel/random/uuid"])
def test_chance_is_a_divergence_and_is_shown(lab, record, fresh, command):
    recording = record(Puppet(shell("true"), shell(command), GIVE_UP))
    found = replay(recording, fresh(), lab.tree).divergence
    assert (found.turn, found.tool) == (2, "shell")
    assert "-" in found.text
    assert "+" in found.text


@pytest.mark.parametrize(
    "command",
    [
        "date", "date -u +%FT%TZ", "date '+%Y-%m-%d %H:%M:%S,%3N INFO ready'", "touch x; ls -l x", "mktemp",
        "time sleep 0.0$RANDOM", "echo took 0.$RANDOM seconds",
        "python -c 'import tempfile, time; print(tempfile.mkdtemp(), time.ctime())'",
    ],
)  # fmt: skip
def test_clocks_and_temporary_names_are_not_divergences(lab, record, fresh, command):
    recording = record(Puppet(shell(command), GIVE_UP))
    time.sleep(1.1)
    found = replay(recording, fresh(), lab.tree)
    assert found.differences == ()
    assert found.calls == 2


def test_every_call_is_run_whatever_differs_and_the_repo_at_the_end_is_what_counts(
    lab, record, fresh
):
    recording = record(
        Puppet(
            shell("echo $RANDOM$RANDOM"), shell("echo 'STEPS = 7' > model.py"),
            shell("cat /proc/sys/kernel/random/uuid"), GIVE_UP,
        )
    )  # fmt: skip
    found = replay(recording, fresh(), lab.tree)
    assert [each.turn for each in found.differences] == [1, 3]
    assert (found.calls, found.turns) == (4, 4)
    assert {each.path: each.content for each in found.tree}["model.py"] == b"STEPS = 7\n"


def test_a_sandbox_that_is_lost_ends_the_replay_without_a_repo(lab, record, fresh):
    recording = record(Puppet(shell("true"), shell("echo two"), shell("echo three"), GIVE_UP))
    broken = fresh()
    exec_ = broken.exec

    def lost_later(*words, **more):
        broken.is_broken = broken.is_broken or "echo two" in repr((words, more))
        return exec_(*words, **more)

    broken.exec = lost_later
    found = replay(recording, broken, lab.tree)
    assert found.tree == ()
    assert "the sandbox is lost" in found.differences[-1].replayed


def test_another_starting_point_diverges_at_the_first_look(lab, record, fresh):
    recording = record(lab.scripted(ENTRY, square=SQUARE))
    other = (replace(lab.tree[0], content=b"x = 1\n"), *lab.tree[1:])
    found = replay(recording, fresh(), other).divergence
    assert (found.turn, found.tool) == (1, "str_replace_based_edit_tool")


def test_malformed_calls_replay_as_malformed(lab, record, fresh):
    recording = record(Puppet(("fly", {}), ("view", {"path": 3}), GIVE_UP))
    assert replay(recording, fresh(), lab.tree).divergence is None


def test_a_long_output_keeps_its_name_in_a_replay(lab, record, fresh):
    recording = record(
        Puppet(shell("seq 1 9000"), ("read_output", {"output": "o1", "offset": 9000}), GIVE_UP)
    )
    assert replay(recording, fresh(), lab.tree).divergence is None


def test_masking_leaves_results_alone():
    assert masked("exit code 1, 0.1 s") == masked("exit code 1, 12.5 s")
    assert masked("exit code 1, 0.1 s") != masked("exit code 0, 0.1 s")
    assert masked("loss 1.234") != masked("loss 1.235")


def test_a_fork_has_the_files_and_words_of_its_step_and_goes_on_to_the_end(lab, record, fresh):
    steps = Puppet(edit("STEPS = 100", "STEPS = 90"), edit("STEPS = 90", "STEPS = 80"), SUBMIT)
    recording = record(steps)
    sandbox = fresh()
    start = fork(recording, sandbox, lab.tree, step=1, say="go slower")
    lab.sandbox, lab.events = sandbox, []
    other = Puppet(shell("grep STEPS model.py"), edit("STEPS = 90", "STEPS = 10"), SUBMIT)
    proposal = lab.run(other, start=start)
    assert proposal.outcome is ProposalOutcome.SUBMITTED
    assert b"STEPS = 10\n" in proposal.tree[0].content
    first = other.requests[0].messages
    assert first[:2] == recording.messages(1)[:2]
    assert first[2].blocks[-1].text == "Message from the person in charge: go slower"
    assert "STEPS = 90" in lab.results()[1]["text"]


def test_a_forks_own_record_is_whole_and_replays_from_the_start(lab, record, fresh):
    recording = record(Puppet(edit("STEPS = 100", "STEPS = 90"), SUBMIT))
    sandbox = fresh()
    start = fork(recording, sandbox, lab.tree, step=1)
    lab.sandbox, lab.events = sandbox, []
    lab.run(Puppet(edit("STEPS = 90", "STEPS = 10"), SUBMIT), start=start)
    forked = last_recording(as_ledger(lab.events, "c1-0002"))
    assert [turn.is_copied for turn in forked.turns] == [True, False, False]
    assert forked.turns[0].usd is None
    assert forked.turns[0].reply.usage is None
    assert replay(forked, fresh(), lab.tree).divergence is None


def test_a_fork_at_zero_starts_over_and_one_beyond_the_end_is_refused(lab, record, fresh):
    recording = record(Puppet(SUBMIT))
    assert fork(recording, fresh(), lab.tree, step=0).turns == ()
    with pytest.raises(RecordingError, match="turns 1 to 1, not 5"):
        fork(recording, fresh(), lab.tree, step=5)


def test_measurements_already_used_stay_used_in_a_fork(lab, record, fresh):
    recording = record(Puppet(("measure", {}), ("measure", {}), SUBMIT))
    start = fork(recording, fresh(), lab.tree, step=1)
    assert start.bench.measures_used == 1


def test_a_replay_model_plays_the_recorded_words_through_the_real_loop(lab, record, fresh):
    recording = record(lab.scripted(ENTRY, square=SQUARE))
    lab.sandbox, first = fresh(), lab.events
    lab.events = []
    proposal = lab.run(ReplayModel("replay:c1-0001", recording.replies))
    assert proposal.outcome is ProposalOutcome.SUBMITTED
    kinds = [kind for _, kind, _ in first]
    assert [kind for _, kind, _ in lab.events] == kinds


def test_each_event_of_the_run_that_counts_belongs_to_a_turn(lab, record):
    recording = record(Puppet(shell("true"), shell("false"), GIVE_UP))
    events = as_ledger(lab.events)
    assert last_recording(events) == recording
    turns = [turn_at(events, each.seq) for each in events]
    assert turns[0] == 0, "the brief comes before the first turn"
    assert turns == sorted(turns)
    assert sorted(set(turns)) == [0, 1, 2, 3]
    models = [each.seq for each in events if each.kind is TrajectoryKind.MODEL]
    assert [turns[seq] for seq in models] == [1, 2, 3]
    again = (*events, *(replace(each, seq=each.seq + len(events)) for each in events))
    assert turn_at(again, len(events) + models[1]) == 2
    with pytest.raises(RecordingError, match="not of the run that counts"):
        turn_at(again, models[1])


OLD_TOOLS = ("shell", "view", "edit", "write", "measure", "search_notebook", "submit", "give_up")


def test_a_scaffold_and_a_recording_with_the_old_tools_still_play(lab, record, fresh):
    lab.scaffold = replace(lab.scaffold, tools=OLD_TOOLS)
    recording = record(lab.scripted(ENTRY, square=SQUARE))
    used = {call.name for turn in recording.turns for call in turn.reply.tool_calls}
    assert used <= set(OLD_TOOLS)
    assert {"view", "edit"} <= used
    assert recording.outcome == "submitted"
    found = replay(replace(recording, workbench=1), fresh(), lab.tree)
    assert found.divergence is None
    assert file_of(found.tree, "model.py") != file_of(lab.tree, "model.py")


def test_a_recording_of_before_there_were_checks_is_played_without_them(lab, record, fresh, task):
    checks = FreeChecks(task=task, champion_tree=lab.tree)
    write = ("write", {"path": "run.py", "content": "x\n"})
    recording = record(Puppet(write, GIVE_UP))
    assert replay(recording, fresh(), lab.tree, checks=checks).divergence is None
    older = replay(replace(recording, workbench=1), fresh(), lab.tree, checks=checks)
    assert "created" in older.divergence.replayed


def test_a_tool_of_another_version_is_refused_in_one_sentence(lab, record, fresh):
    recording = record(Puppet(("shell", {"command": "true"}), GIVE_UP))
    tools = tuple(
        replace(each, name="teleport") if each.name == "bash" else each for each in recording.tools
    )
    (first, *rest) = recording.turns
    call = replace(first.reply.blocks[0], name="teleport")
    foreign = replace(first, reply=replace(first.reply, blocks=(call,)))
    found = replay(replace(recording, tools=tools, turns=(foreign, *rest)), fresh(), lab.tree)
    assert "'teleport' is one of another version" in found.divergence.replayed
