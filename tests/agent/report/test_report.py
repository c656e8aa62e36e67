"""A report tells every round, hides no failure, and cannot be made to do anything by what it shows."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.facts import finished, interval, left, score
from tests.facts import report as reported

from rsi.agent.errors import HomeError, UnknownRecordError
from rsi.agent.report.campaign_report import Against, build_report
from rsi.agent.report.files import write_report
from rsi.agent.report.html_page import html_page
from rsi.agent.report.markdown_page import markdown_page
from rsi.agent.report.plots import time_bars
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import Audit, CampaignEvent
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignRecord,
    ChargeRecord,
    ChargeRole,
    DecisionAction,
    DecisionRecord,
    PromotionRecord,
    RoundRecord,
    Step,
    round_id_of,
)
from rsi.agent.store.rounds import round_view
from rsi.agent.store.stages import Stage, StageTime, bottleneck, stage_times, worked_s
from rsi.agent.store.state import RoundVerdict
from rsi.agent.store.steps.facts import AnyFact
from rsi.agent.store.steps.record import StepRecord
from rsi.agent.store.steps.values import Planted, Tier
from rsi.evals.planted.controls import ControlKind
from rsi.evals.types import (
    Arm,
    Disturbance,
    Measurement,
    Outcome,
    Purpose,
    Verdict,
)
from rsi.sandboxes.types import FileEntry

pytestmark = pytest.mark.slow

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTILE = (
    '</td><script>alert(1)</script><img src="http://evil/x"> `**[a](http://evil)**` | @all #1 '
    "\x1b[31m\u202e\ud800\n# Heading\n&amp; 'x' \"y\""
)

LATER = AT + timedelta(minutes=12)
BEGINNING = frozenset({CampaignEventKind.QUEUED, CampaignEventKind.STARTED})


class Story:
    """Writes a campaign into a real ledger and a real lineage, round by round."""

    def __init__(self, home: Home, ledger: Ledger) -> None:
        self.ledger = ledger
        self.lineage = Lineage.open(home, "toy-main")
        self.baseline = self.lineage.import_baseline((self.file(0),), "Baseline")
        self.champion = self.baseline
        self.number = 0
        ledger.add_campaign(
            CampaignRecord(
                id="c1",
                created_at=AT,
                task="toy",
                task_digest="d",
                track="main",
                profile="smoke",
                lineage="toy-main",
                seed_commitment="s",
                config=CampaignConfig(rounds=3, proposer="scripted:demo"),
            )
        )
        self.say(CampaignEventKind.STARTED)

    @staticmethod
    def file(number: int) -> FileEntry:
        return FileEntry(path="train.py", content=f"x = {number}\n".encode())

    def say(self, kind: CampaignEventKind, **audit: object) -> None:
        found = Audit(word="measured", **audit) if audit else None
        self.ledger.add_campaign_event(
            CampaignEvent(
                campaign_id="c1", kind=kind, at=AT if kind in BEGINNING else LATER, audit=found
            )
        )

    def round(
        self,
        ending: Step,
        outcome: str,
        *,
        estimate: float | None = None,
        planted: Planted | None = None,
        hypothesis: str = "an idea",
        is_promoted: bool = False,
    ) -> str:
        self.number += 1
        round_id = round_id_of("c1", self.number)
        self.ledger.add_round(
            RoundRecord(
                id=round_id,
                campaign_id="c1",
                number=self.number,
                champion_commit=self.champion,
                created_at=AT,
            )
        )
        commit = self.lineage.commit_candidate(
            round_id, self.champion, (self.file(self.number),), hypothesis, at=AT
        )
        changes: dict[Step, dict[str, object]] = {
            Step.OPEN: {
                "champion_commit": self.champion, "baseline_commit": self.baseline,
                "planted": planted, "floor_s": 0.5,
            },
            Step.PROPOSE: {"hypothesis": hypothesis, "predicted_ratio": 1.5},
            Step.COMMIT: {"commit": commit, "parent": self.champion},
        }  # fmt: skip
        if estimate is not None:
            verdict = Verdict.SUPPORTED if is_promoted else Verdict.REFUTED
            changes[Step.SCORE] = {"score": score(verdict, estimate)}
            changes[Step.REVIEW] = {"confirm": score(Verdict.SUPPORTED, estimate)}
        for position, step in enumerate(Step):
            word = outcome if step is ending else "ok"
            self.step(round_id, position, left(step, word, **changes.get(step, {})))
            if step is ending:
                break
        if is_promoted:
            self.promote(round_id, commit)
        why = reported(why=f"why {hypothesis}", lesson="a lesson", changed="train.py")
        self.step(round_id, 11, left(Step.REPORT, report=why))
        return commit

    def step(self, round_id: str, position: int, fact: AnyFact) -> None:
        takes_s = [{Step.MEASURE: 60.0, Step.PROPOSE: 5.0}.get(each, 0.5) for each in Step]
        at = AT + timedelta(seconds=self.number * 75 + sum(takes_s[:position]))
        seconds = takes_s[position]
        self.ledger.add_step(finished(fact, round_id=round_id, started_at=at, wall_s=seconds))

    def promote(self, round_id: str, commit: str) -> None:
        self.ledger.add_decision(
            DecisionRecord(
                round_id=round_id,
                action=DecisionAction.APPROVE,
                actor="person:ada",
                reason="clear",
                commit=commit,
                score_digest="5" * 64,
                at=AT,
            )
        )
        self.lineage.move_champion(self.champion, commit, "won")
        self.ledger.add_promotion(
            PromotionRecord(
                lineage="toy-main",
                round_id=round_id,
                old_commit=self.champion,
                new_commit=commit,
                score_digest="5" * 64,
                at=AT,
                actor="person:ada",
            )
        )
        self.champion = commit


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(root=tmp_path / "home").create()


@pytest.fixture
def story(home: Home):
    with Ledger.open(home) as ledger:
        yield Story(home, ledger)


def tell(story: Story) -> None:
    cheat = Planted(kind=ControlKind.CHEAT, name="forges", expect=("not_admitted",))
    story.round(
        Step.SCORE, "refuted", estimate=1.0, planted=Planted(kind=ControlKind.NULL, name="same")
    )
    story.round(Step.PROMOTE, "promoted", estimate=1.6, hypothesis="vectorise", is_promoted=True)
    story.round(Step.SCORE, "refuted", estimate=0.7, hypothesis="slower")
    story.round(Step.MEASURE, "crashed", hypothesis=HOSTILE)
    story.round(Step.ADMIT, "not_admitted", planted=cheat)
    story.round(Step.SCORE, "refuted", estimate=40.0, planted=replace(cheat, name="slips"))
    story.round(Step.PROMOTE, "promoted", estimate=1.3, hypothesis="fuse", is_promoted=True)
    story.ledger.reserve(
        ChargeRecord(
            id="k",
            campaign_id="c1",
            round_id=None,
            role=ChargeRole.PROPOSER,
            model="m",
            reserved_usd=0.25,
            reserved_at=AT,
        )
    )
    story.say(
        CampaignEventKind.FINISHED,
        baseline_commit=story.baseline,
        champion_commit=story.champion,
        score=score(Verdict.SUPPORTED, 2.1),
    )


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on anything unbalanced."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_a_report_tells_every_round_negatives_included(story: Story):
    tell(story)
    report = build_report(story.ledger, story.lineage, "c1")
    assert [each.line.ended_as for each in report.rounds] == [
        "refuted",
        "promoted",
        "refuted",
        "crashed",
        "not_admitted",
        "refuted",
        "promoted",
    ]
    assert report.baseline == story.baseline
    assert report.champion == story.champion
    assert len(report.promotions) == 2
    assert report.tally.speedup == interval(2.1)
    assert (report.tally.cheats, report.tally.cheats_caught) == (2, 1)
    assert report.rounds[1].confirm == interval(1.6)
    assert "+x = 2" in report.rounds[1].diff
    assert report.is_chain_intact
    assert bottleneck(report.time).stage is Stage.MEASURE


def test_the_pages_say_what_the_report_says(story: Story):
    tell(story)
    report = build_report(story.ledger, story.lineage, "c1")
    page, text = Page(html_page(report)), markdown_page(report)
    for word in ("vectorise", "slower", "fuse", "crashed", "refuted", "not_admitted"):
        assert word in page.text
        assert word.replace("_", "\\_") in text
    assert "1.60x [1.44, 1.76]" in page.text
    assert "2.10x [1.89, 2.31] against the original baseline" in page.text
    assert "planted cheat forges: caught" in page.text
    assert "planted cheat slips: NOT CAUGHT" in page.text
    assert "and $0.2500 reserved" in page.text
    assert "The bottleneck is" in page.text
    assert " ".join(report.tally.line.split()) in page.text
    assert report.tally.line in text
    marks = Counter(each for each in page.text if each in "●○✕◆")
    assert marks["●"] + marks["○"] == 4 + 2, "each measured round, each step of the champion"
    assert (marks["✕"], marks["◆"]) == (1, 1), "the cheat and the audit"
    assert "The champion is 2.10 times as fast, surely above 1.89 (95%) against" in page.text
    assert "ideas kept; 1 of 2 planted cheats caught" in page.text


def test_the_champion_over_the_rounds_is_measured_and_never_multiplied_up(story: Story):
    first = story.round(
        Step.PROMOTE, "promoted", estimate=1.6, hypothesis="vectorise", is_promoted=True
    )
    story.say(
        CampaignEventKind.AUDITED,
        round_id=round_id_of("c1", 1),
        baseline_commit=story.baseline,
        champion_commit=first,
        score=score(Verdict.SUPPORTED, 1.5),
    )
    story.round(Step.SCORE, "refuted", estimate=0.7, hypothesis="slower")
    story.round(Step.PROMOTE, "promoted", estimate=1.3, hypothesis="fuse", is_promoted=True)
    report = build_report(story.ledger, story.lineage, "c1")
    shown = [(each.label, each.against, each.effect.estimate) for each in report.standings]
    assert shown == [
        ("1", Against.CHAMPION, 1.6),
        ("1", Against.BASELINE, 1.5),
        ("3", Against.CHAMPION, 1.3),
    ]
    assert report.tally.speedup == interval(1.5)
    page, text = Page(html_page(report)), markdown_page(report)
    for said in (page.text, text):
        assert f"{story.champion[:12]}, champion after it, was not measured so" in said
    assert "Champion over the rounds" in page.text
    assert page.text.count("◆") == 1, "one audit"
    for said in (page.text, text):
        assert "A champion before the present one is" in said
    assert f"| 1 | champion {first[:12]} | the original baseline | 1.50x" in text
    assert "| 3 | fuse | the champion before it | 1.30x" in text

    story.say(
        CampaignEventKind.FINISHED,
        baseline_commit=story.baseline,
        champion_commit=story.champion,
        score=score(Verdict.SUPPORTED, 2.1),
    )
    again = build_report(story.ledger, story.lineage, "c1")
    assert again.tally.speedup == interval(2.1), "the latest counts"
    assert (again.standings[-1].label, again.standings[-1].against) == ("end", Against.BASELINE)
    assert "The champion is 2.10x" in Page(html_page(again)).text


def test_each_claim_has_its_tier_and_what_can_be_reached_at_best(story: Story):
    story.round(Step.SCORE, "refuted", estimate=0.7, hypothesis="slower")
    story.round(Step.PROMOTE, "promoted", estimate=1.6, hypothesis="vectorise", is_promoted=True)
    for pair, seconds in enumerate((2.0, 9.0, 2.2)):
        measured(story, 2, pair, Arm.CHAMPION, seconds)
    report = build_report(story.ledger, story.lineage, "c1")
    refuted, promoted = report.rounds
    assert (refuted.line.tier, promoted.line.tier) == (None, Tier.PROMOTED)
    assert (refuted.best_reachable, promoted.best_reachable) == (None, 2.2 / 0.5)
    page, text = Page(html_page(report)), markdown_page(report)
    for said in (page.text, text):
        assert "promoted, best reachable 4.4x" in said
        assert "1.60x of at most 25x believed in one step" in said
    measured(story, 1, 0, Arm.CANDIDATE, 0.49)
    passed = build_report(story.ledger, story.lineage, "c1").rounds[1]
    assert passed.best_reachable is None, "a run of the campaign is below the floor of 0.5 s"


def measured(story: Story, number: int, pair: int, arm: Arm, seconds: float) -> None:
    story.ledger.add_measurement(
        round_id_of("c1", number),
        Measurement(
            arm=arm, purpose=Purpose.SCREEN, pair=pair, position=0, outcome=Outcome.OK,
            cpu_s=seconds, wall_s=seconds, max_rss_bytes=1, metric_value=seconds, quality={},
            result={}, detail="", backend="process", assurance="none", seed_commitment="0" * 64,
            disturbance=Disturbance(load_1m=0.1, steal_s=0.0, others_cpu_s=0.0, is_disturbed=False),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "said", "tier"),
    [
        (None, None, None),
        (RoundVerdict.REFUTED, None, None),
        (RoundVerdict.REFUTED, Tier.SCREENED, Tier.SCREENED),
        (None, Tier.CONFIRMED, Tier.CONFIRMED),
        (RoundVerdict.REJECTED, Tier.CONFIRMED, Tier.CONFIRMED),
        (RoundVerdict.PROMOTED, Tier.CONFIRMED, Tier.PROMOTED),
        (RoundVerdict.PROMOTED, None, Tier.PROMOTED),
    ],
)
def test_a_claim_is_worth_what_stands_behind_it(verdict, said, tier):
    record = RoundRecord(
        id="c1-0001", campaign_id="c1", number=1, champion_commit="a" * 40, created_at=AT
    )
    steps = [] if said is None else [finished(left(Step.REVIEW, tier=said))]
    view = round_view(record, steps)
    assert replace(view, state=replace(view.state, verdict=verdict)).tier is tier


def test_nothing_shown_becomes_markup_or_reaches_out(story: Story):
    tell(story)
    report = build_report(story.ledger, story.lineage, "c1")
    source = html_page(report)
    page = Page(source)
    allowed = (
        "html head meta title style body h1 h2 p a b i br nav span ul ol li dl dt dd table tr th td div details "
        "summary pre"
    )
    assert set(page.tags) <= set(allowed.split())
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "srcset", "action", "data", "background"}
    links = [value for name, value in page.attributes if name == "href"]
    anchors = {f"#{value}" for name, value in page.attributes if name == "id"}
    assert links
    assert set(links) <= anchors, "a link leads to a part of this page"
    assert not any(name.startswith("on") for name in names)
    assert "url(" not in source
    assert "@import" not in source
    assert "alert(1)" in page.text, "it is shown, not hidden"
    assert "\x1b" not in source
    assert "\u202e" not in source
    assert source.encode("utf-8", "backslashreplace")
    text = markdown_page(report)
    row = next(line for line in text.splitlines() if "alert" in line)
    assert "\\<script\\>" in row
    assert "http://" not in text
    assert "[a](" not in text
    assert row.replace("\\|", "").count("|") == 9
    assert "\n# Heading" not in text


def test_a_campaign_with_nothing_in_it_yet_has_a_report(story: Story):
    report = build_report(story.ledger, story.lineage, "c1")
    assert bottleneck(report.time) is None
    assert report.baseline is None
    assert "No round was measured." in Page(html_page(report)).text
    assert "No step has finished yet." in markdown_page(report)
    with pytest.raises(UnknownRecordError):
        build_report(story.ledger, story.lineage, "c9")


def test_a_report_without_the_repository_uses_what_the_ledger_has(story: Story):
    tell(story)
    report = build_report(story.ledger, None, "c1")
    assert [each.diff for each in report.rounds] == [""] * 7
    assert html_page(report)


def test_the_same_ledger_gives_the_same_pages(story: Story):
    tell(story)
    pages = [html_page(build_report(story.ledger, story.lineage, "c1")) for _ in range(2)]
    assert pages[0] == pages[1]


def test_an_extreme_effect_stays_on_the_drawing(story: Story):
    for estimate in (1e-9, 1e9, 1.0):
        story.round(Step.SCORE, "refuted", estimate=estimate)
    page = Page(html_page(build_report(story.ledger, story.lineage, "c1")))
    places = re.compile(r"left:(-?[\d.]+)%(?:;width:([\d.]+)%)?")
    found = [places.fullmatch(value or "") for name, value in page.attributes if name == "style"]
    assert any(found)
    for each in filter(None, found):
        assert 0 <= float(each[1]) <= float(each[1]) + float(each[2] or 0) <= 100.5


def test_both_files_are_written_and_an_unwritable_folder_is_named(
    story: Story, home: Home, tmp_path
):
    tell(story)
    path = write_report(home, story.ledger, "c1")
    assert path == home.reports / "c1" / "report.html"
    assert Page(path.read_text(encoding="utf-8")).text
    assert (path.parent / "report.md").read_text(encoding="utf-8").startswith("# toy")
    assert write_report(home, story.ledger, "c1", tmp_path / "out").parent == tmp_path / "out"
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="cannot be written"):
        write_report(home, story.ledger, "c1", tmp_path / "file")


def test_time_is_told_by_stage_with_waiting_apart():
    def step(name: Step, at_s: float, wall_s: float) -> StepRecord:
        return finished(left(name), started_at=AT + timedelta(seconds=at_s), wall_s=wall_s)

    steps = [
        step(Step.DECIDE, 100, 0.0),
        step(Step.PROPOSE, 0, 10),
        step(Step.MEASURE, 10, 20),
        step(Step.REVIEW, 30, 10),
        step(Step.PROMOTE, 100, 0.0),
    ]
    times = stage_times([steps])
    assert [(each.stage, each.wall_s) for each in times][:3] == [
        (Stage.WAIT, 60.0),
        (Stage.MEASURE, 20.0),
        (Stage.PROPOSE, 10.0),
    ]
    assert sum(each.share for each in times) == pytest.approx(1.0)
    assert stage_times([]) == ()
    again = [
        replace(each, attempt=1, started_at=each.started_at + timedelta(hours=1)) for each in steps
    ]
    assert stage_times([steps + again])[0].wall_s == 120.0


def test_what_belongs_to_no_stage_is_never_the_bottleneck():
    times = [
        StageTime(stage=each, wall_s=wall_s, share=wall_s / 10)
        for each, wall_s in ((Stage.OTHER, 7.0), (Stage.WAIT, 2.0), (Stage.REVIEW, 1.0))
    ]
    assert bottleneck(times).stage is Stage.WAIT
    assert bottleneck(times[:1]) is None


def test_stage_times_sum_to_the_time_under_way_with_audits_and_without_pauses():
    def at(seconds: float) -> datetime:
        return AT + timedelta(seconds=seconds)

    def event(kind: CampaignEventKind, seconds: float, is_audited: bool = False) -> CampaignEvent:
        audit = Audit(word="measured", baseline_commit="b", champion_commit="c", score=score())
        return CampaignEvent(
            campaign_id="c1", kind=kind, at=at(seconds), audit=audit if is_audited else None
        )

    def step(name: Step, seconds: float, wall_s: float) -> StepRecord:
        return finished(left(name), started_at=at(seconds), wall_s=wall_s)

    steps = [
        step(Step.BRIEF, 2, 3), step(Step.PROPOSE, 5, 60), step(Step.MEASURE, 65, 10), step(Step.REVIEW, 75, 5),
        step(Step.DECIDE, 90, 0), step(Step.PROMOTE, 90, 2),
    ]  # fmt: skip
    kinds = CampaignEventKind
    events = [
        event(kinds.QUEUED, -50), event(kinds.STARTED, 0), event(kinds.PAUSED, 10), event(kinds.RESUMED, 40),
        event(kinds.AUDITED, 100, is_audited=True), event(kinds.FINISHED, 130, is_audited=True),
    ]  # fmt: skip
    found = {each.stage: each.wall_s for each in stage_times([steps], events)}
    assert found == {
        Stage.BRIEF: 3.0, Stage.PROPOSE: 30.0, Stage.MEASURE: 10.0, Stage.REVIEW: 5.0, Stage.WAIT: 10.0,
        Stage.AUDIT: 38.0, Stage.OTHER: 4.0,
    }  # fmt: skip
    assert sum(found.values()) == worked_s(events, at(999)) == 100.0
    under_way = stage_times([steps], events[:-1], now=at(120))
    assert sum(each.wall_s for each in under_way) == 90.0


def test_a_stage_that_took_no_time_has_no_bar():
    bars = time_bars(
        tuple(
            StageTime(stage=stage, wall_s=wall_s, share=wall_s / 60)
            for stage, wall_s in ((Stage.REVIEW, 60.0), (Stage.AUDIT, 0.0))
        )
    )
    assert "review" in bars
    assert "audit" not in bars
    assert "No step" in time_bars(())
