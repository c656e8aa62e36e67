"""A recording is made from a ledger, is the same when it comes back, and plays so that every screen is alive."""

import shutil
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.tui.conftest import screen_text, until

from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import Step, utc_now
from rsi.tui.app import CockpitApp
from rsi.tui.demo import animation
from rsi.tui.demo import player as demo
from rsi.tui.demo.campaign_file import load, record, save, unpack_code, write_row
from rsi.tui.demo.player import RECORDING, Player, demo_home, first_part
from rsi.tui.draw.captions import TEXTS, Captions
from rsi.tui.draw.styled import plain
from rsi.tui.errors import CampaignFileError, CockpitError


@pytest.mark.slow
def test_a_recording_comes_back_as_it_was_and_rebuilds_ledger_and_code(sample, tmp_path):
    made = record(sample.ledger, sample.home, "c1120-4f2a")
    save(made, tmp_path / "one.tar.xz")
    found = load(tmp_path / "one.tar.xz")
    assert [each.at_s for each in found.rows] == [each.at_s for each in made.rows]
    home = Home(root=tmp_path / "other").create()
    unpack_code(found, home)
    with Ledger.open(home) as ledger:
        for row in found.rows:
            write_row(ledger, row, utc_now())
        assert [each.id for each in ledger.rounds("c1120-4f2a")] == [
            each.id for each in sample.ledger.rounds("c1120-4f2a")
        ]
        for each in ledger.rounds("c1120-4f2a"):
            assert [s.step for s in ledger.steps(each.id)] == [
                s.step for s in sample.ledger.steps(each.id)
            ]
            assert ledger.measurements(each.id) == sample.ledger.measurements(each.id)
            assert ledger.event_count(each.id) == sample.ledger.event_count(each.id)
        assert ledger.verify_chain().is_intact
    lineage = Lineage.open(home, found.campaign.lineage, create=False)
    assert lineage.champion() == sample.lineage.champion()


def test_secrets_and_places_are_left_out(sample, tmp_path):
    made = record(sample.ledger, sample.home, "c1120-4f2a")
    assert sample.ledger.campaign("c1120-4f2a").config.seed
    kept = made.campaign.config
    assert (kept.seed, kept.task_root, kept.scaffold) == ("", "", None)


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\xfd7zXZ\x00broken"])
def test_what_is_no_recording_is_said(tmp_path, content):
    path = tmp_path / "x.tar.xz"
    path.write_bytes(content)
    with pytest.raises(CampaignFileError, match=r"x\.tar\.xz"):
        load(path)
    with pytest.raises(CampaignFileError):
        load(tmp_path / "none")


def test_the_shipped_recording_is_of_a_real_campaign():
    found = load(RECORDING)
    assert RECORDING.stat().st_size < 1_000_000
    words = {row.fact.outcome for row in found.rows if getattr(row.fact, "step", None) is not None}
    assert {"ok", "supported", "refuted", "not_admitted", "promoted"} <= words
    assert found.campaign.seed_commitment
    assert first_part(found) < len(found.rows)
    # Neither this machine's folders nor the campaign's seed went into it.
    text = "".join(repr(row.fact) for row in found.rows)
    assert "/root" not in text
    assert '"seed"' not in text


@pytest.mark.slow
async def test_every_screen_is_alive_soon_after_the_demo_starts():
    started = time.monotonic()
    with demo_home() as (home, ledger):
        app = CockpitApp(ledger, home=home, is_read_only=True, is_demo=True)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: bool(app.view.gate), seconds=20)
            cpu = time.process_time()
            await pilot.press("3")
            await until(pilot, lambda: app.screen.diff.hunk_count > 0)
            await pilot.press("4")
            await until(pilot, lambda: len(app.screen.store) > 10)
            await pilot.press("5")
            await until(pilot, lambda: bool(app.view.lineage))
            assert time.process_time() - cpu < 10
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_a_player_plays_on_to_the_end(sample, tmp_path):
    made = record(sample.ledger, sample.home, "c1120-4f2a")
    home = Home(root=tmp_path / "other").create()
    unpack_code(made, home)
    with Ledger.open(home) as ledger:
        player = Player(made, ledger, played_s=0.5, first=len(made.rows) - 40)
        player.start()
        end = time.monotonic() + 30
        while (
            ledger.steps("c1120-4f2a-0005")[-1:] == ()
            or ledger.steps("c1120-4f2a-0005")[-1].step is not Step.REVIEW
        ):
            assert time.monotonic() < end
            time.sleep(0.05)
        player.stop()


@pytest.mark.slow
def test_a_candidate_that_is_looked_at_stays_at_the_gate(monkeypatch):
    monkeypatch.setattr(demo, "GATE_HOLD_S", 0.2)
    looks: list[bool] = [True]
    with demo_home(played_s=1.0, is_looked_at=lambda: looks[0]) as (_, ledger):
        waiting = ledger.steps_of(step=Step.REVIEW)[-1].round_id
        end = time.monotonic() + demo.GATE_HOLD_S + 1.0 + 2 * demo.LOOK_S
        while time.monotonic() < end:
            assert not ledger.decisions(waiting)
            time.sleep(0.1)
        looks[0] = False
        end = time.monotonic() + 10
        while not ledger.decisions(waiting):
            assert time.monotonic() < end, "nobody looks any more"
            time.sleep(0.1)


@pytest.mark.slow
def test_a_player_that_writes_without_a_pause_beats_all_the_same(sample, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "BEAT_S", 0.05)
    made = record(sample.ledger, sample.home, "c1120-4f2a")
    home = Home(root=tmp_path / "other").create()
    unpack_code(made, home)
    with Ledger.open(home) as ledger:
        player = Player(made, ledger, played_s=2.0, first=len(made.rows) - 40)
        player.start()
        first = ledger.workers()[0].heartbeat_at
        end = time.monotonic() + 10
        while ledger.workers()[0].heartbeat_at == first:
            assert time.monotonic() < end
            time.sleep(0.02)
        player.stop()


def test_captions_go_through_the_twelve_steps_in_a_minute_and_each_fits_a_small_screen():
    now = [0.0]
    captions = Captions(clock=lambda: now[0])
    seen = []
    while now[0] < 60:
        seen.append(plain(captions.line()))
        now[0] += 1
    assert [each.split(":")[0].split()[-1] for each in dict.fromkeys(seen)] == [
        each.value for each in Step
    ]
    assert max(len(each) for each in seen) <= 80 - len(" C hides ")
    assert plain(captions.line()) == seen[0]
    captions.switch()
    assert captions.line() is None
    now[0] += 17
    captions.switch()
    assert plain(captions.line()) == seen[0]


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_captions_stand_on_every_screen_until_they_are_switched_off(size):
    with demo_home(is_playing=False) as (home, ledger):
        captions = Captions(clock=lambda: 1.0)
        app = CockpitApp(ledger, home=home, is_read_only=True, is_demo=True, captions=captions)
        async with app.run_test(size=size) as pilot:
            for digit in "12345678":
                await pilot.press(digit)
                await until(pilot, lambda: "1/12 open: champion, seeds" in screen_text(app))
            await pilot.press("C")
            await until(pilot, lambda: "1/12" not in screen_text(app))
            for digit in "13":
                await pilot.press(digit)
                await pilot.pause()
                assert "1/12" not in screen_text(app)
            await pilot.press("C")
            await until(pilot, lambda: "1/12 open" in screen_text(app))


def test_the_animation_shows_each_picture_in_its_turn_and_fetches_nothing(tmp_path):
    pictures = Path(__file__).parents[3] / "docs" / "screenshots"
    for name, _ in animation.FRAMES:
        shutil.copy(pictures / f"{name}.svg", tmp_path)
    path = animation.animate(tmp_path)
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    frames = [each for each in root if each.get("class") == "frame"]
    assert len(frames) == len(animation.FRAMES)
    starts = [each.get("style") for each in frames]
    assert starts == [f"animation-delay:{n * animation.SECONDS:g}s" for n in range(len(frames))]
    for frame, (_, step) in zip(frames, animation.FRAMES, strict=True):
        assert TEXTS[step] in "".join(frame[-1].itertext())
    assert "<script" not in text
    assert "url(http" not in text
    assert path.stat().st_size < 1_500_000
    assert text == (pictures / f"{animation.NAME}.svg").read_text(encoding="utf-8"), (
        "it is up to date"
    )


def test_an_animation_of_a_picture_that_is_not_there_says_so(tmp_path):
    with pytest.raises(CockpitError, match=r"queue\.svg is no picture of the cockpit"):
        animation.animate(tmp_path)
