"""A step that is timed says who keeps the machine from it; one that is not, and its own campaign's hold, say nothing."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.agent.report.rounds import BEFORE, view

from rsi.agent.store.records import RequestKind
from rsi.sandboxes.machine.leases import Holder
from rsi.tui.lines.run import asked_spans, step_words
from rsi.tui.model.code import Code
from rsi.tui.reading.reader import Interest, Reader

HELD = Holder(what="c9 round 4 measure", pid=7, since=datetime(2026, 11, 30, 12, tzinfo=UTC))


def words(found, holder):
    return "".join(text for text, _ in step_words(found, holder))


def test_a_timed_step_says_who_holds_the_machine():
    measuring = view(*BEFORE[:-1])
    assert words(measuring, None) == "step 7 of 12: measure"
    said = words(measuring, HELD)
    assert said.startswith(
        "step 7 of 12: measure; the machine is held by c9 round 4 measure since "
    )


def test_what_does_not_wait_for_the_machine_says_nothing_of_it():
    own = replace(HELD, what=f"{view(*BEFORE[:-1]).record.campaign_id} round 1 measure")
    assert words(view(*BEFORE[:-1]), own) == "step 7 of 12: measure"
    assert words(view(*BEFORE[:3]), HELD) == "step 4 of 12: commit"


def test_a_pause_that_was_taken_back_before_anybody_heard_it_is_not_waited_for(sample):
    def asked(*kinds: RequestKind) -> str:
        for kind in kinds:
            sample.ledger.add_request(
                kind, actor="person:ada", at=sample.tick(), campaign_id="c1120-4f2a"
            )
        view = Reader(sample.ledger, Code(sample.home)).read(Interest(campaign_id="c1120-4f2a"))
        return "".join(text for text, _ in asked_spans(view.campaign))

    assert "asked: pause" in asked(RequestKind.PAUSE)
    assert asked(RequestKind.RESUME) == ""
    assert "asked: stop" in asked(RequestKind.STOP)
