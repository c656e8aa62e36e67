"""A key in the worker's environment stays there: every byte that a campaign leaves behind is searched for it."""

import base64
import json
import subprocess
from urllib.parse import quote

import pytest
from tests.agent.llm.servers import Fail, Say
from tests.round.scripted_server import CANARY, GPT, playing

from rsi.agent.cli.entry import main
from rsi.agent.llm.types import Text
from rsi.agent.store.records import AgentRole, TrajectoryKind
from rsi.agent.store.round_book import RoundBook

MARKER = "marker-that-must-be-found"
SPY = f"""
import os
places = [dict(os.environ)]
for name in os.listdir("/proc"):
    try:
        places.append(open("/proc/" + name + "/environ").read())
    except OSError:
        pass
raise SystemExit("{MARKER} " + repr(places))
"""
SEARCH = (
    f"echo {MARKER}; env; cat /proc/*/environ | tr '\\0' '\\n'; "
    f"grep -rIl --exclude-dir=proc --exclude-dir=sys {CANARY[3:]} / 2>/dev/null; true"
)


def turn(tool, **arguments):
    given = ", ".join(f"{name} = {json.dumps(value)}" for name, value in arguments.items())
    return f"[[round.turn]]\ncalls = [{{tool = {json.dumps(tool)}, arguments = {{{given}}}}}]\n"


SPYING = (
    "[[round]]\n"
    + turn("shell", command=SEARCH)
    + turn("write", path="bigram/fit.py", content=SPY)
    + turn("measure")
    + turn("give_up", reason="seen enough")
)


def traces(secret):
    """The secret as plain, hexadecimal, URL and base64 text at each alignment."""
    plain = secret.encode()
    found = {plain, plain.hex().encode(), quote(secret, safe="").encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + plain)
        found.add(text[4 if shift else 0 : -4])
    return found


def everything(home):
    """Name and bytes of all that a home holds, git objects unpacked."""
    for path in home.root.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(home.root)), path.read_bytes()
    for repo in home.root.rglob("HEAD"):
        done = subprocess.run(
            ["git", "-C", str(repo.parent), "cat-file", "--batch-all-objects", "--batch"],
            capture_output=True,
            check=True,
        )
        yield f"objects of {repo.parent.name}", done.stdout


def assert_clean(named_bytes):
    wanted = traces(CANARY)
    for name, content in named_bytes:
        for trace in wanted:
            at = content.find(trace)
            assert at < 0, (name, content[max(0, at - 300) : at + 60])


def test_the_search_finds_a_secret_in_every_form_that_it_claims_to_know(tmp_path):
    for content in (
        CANARY.encode(),
        base64.b64encode(b"x" + CANARY.encode() + b"yy"),
        base64.b64encode(b'{"k": "' + CANARY.encode() + b'"}'),
        CANARY.encode().hex().encode(),
    ):
        with pytest.raises(AssertionError, match="planted"):
            assert_clean([("planted", content)])


@pytest.mark.slow
def test_a_key_reaches_no_sandbox_log_ledger_trajectory_report_or_git_object(
    home, ledger, queue, work, idea, tmp_path, monkeypatch, capfd
):
    with playing(tmp_path, ledger, monkeypatch) as provider:

        def trouble(number, request):
            if number == 1:
                message = f"server error for key {CANARY}"
                return Fail(status=500, message=message, headers={"retry-after": "0.01"})
            if number == 2:
                said = provider.play(request)
                return Say(blocks=(Text(text=f"My key is {CANARY}."), *said.blocks))
            if len(ledger.rounds(campaign_id)) == 3:
                return Fail(status=401, message=f"Incorrect API key provided: {CANARY}")
            return None

        provider.trouble = trouble
        campaign_id = queue([SPYING, idea("01_edits_the_entry"), SPYING], proposer=GPT, critic=GPT)
        provider.campaign_id = campaign_id
        status, log = work()
    assert status == 0, log
    assert [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)] == [
        "gave_up", "not_admitted", "harness_error",
    ]  # fmt: skip
    assert provider.seen, "the key was never used"
    assert all(CANARY in each.headers["Authorization"] for each in provider.seen)

    out = tmp_path / "out"
    capfd.readouterr()
    for form, place in (("atif", "atif"), ("sft", "sft.jsonl"), ("inspect", "inspect.json")):
        words = ["export", campaign_id, "--format", form, "--out", str(out / place)]
        assert main([*words, "--with-rejected"]) == 0
    assert main(["report", campaign_id, "--out", str(out / "report")]) == 0
    for line in RoundBook(ledger).of_campaign(campaign_id):
        assert main(["replay", line.record.id, "--show"]) == 0
        assert main(["show", line.record.id]) == 0
    assert main(["log", campaign_id]) == 0
    shown = capfd.readouterr()

    first = ledger.rounds(campaign_id)[0].id
    answers = [
        each.payload["text"]
        for each in ledger.events(first, AgentRole.PROPOSER)
        if each.kind is TrajectoryKind.TOOL_RESULT
    ]
    assert sum(MARKER in each for each in answers) >= 2, "nothing spied, so nothing is proved"
    assert any("PATH" in each for each in answers)
    kept = list(everything(home))
    assert any(MARKER.encode() in content for _, content in kept)
    exported = [(str(p), p.read_bytes()) for p in out.rglob("*") if p.is_file()]
    assert len(exported) >= 6
    said = [("the worker's log", log.encode()), ("printed", (shown.out + shown.err).encode())]
    assert_clean([*kept, *exported, *said])
