"""A campaign from its queueing to its replay, by keys alone, in a real terminal, with a real worker and real runs."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from tests.tui.ledgers import Sample

from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignState, Step
from rsi.tasks.format.loader import find_task, list_tasks
from rsi.tui.widgets.sightings import SEEN_AFTER_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]

SCRIPT = """
[[round]]
patch = "{cheat}"
hypothesis = "Change the entry so that less is done."
predicted_ratio = 5.0
risk = "none"

[[round]]
patch = "{gain}"
hypothesis = "Sum each row once."
predicted_ratio = 1.3
risk = "none"
"""


class Tmux:
    """One window of a tmux server of our own."""

    def __init__(self, folder, home, *words: str, columns: int = 120, rows: int = 36) -> None:
        self.socket = str(folder / "tmux.socket")
        command = f"{sys.executable} -P -m rsi.tui.main {' '.join(words)}; echo ended $?; sleep 60"
        environment = {
            **os.environ,
            "RSI_HOME": str(home),
            "TERM": "xterm-256color",
            "TEXTUAL_ANIMATIONS": "none",
        }
        environment.pop("TMUX", None)
        subprocess.run(
            ["tmux", "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "sh", "-c", command],
            env=environment, check=True,
        )  # fmt: skip

    def __call__(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", self.socket, *words], capture_output=True, text=True, check=True
        ).stdout

    @property
    def text(self) -> str:
        return self("capture-pane", "-p")

    def keys(self, *keys: str, pause: float = 0.3) -> None:
        for key in keys:
            self("send-keys", key)
            time.sleep(pause)

    def type(self, text: str) -> None:
        self("send-keys", "-l", text)
        time.sleep(0.4)

    def see(self, text: str, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < end, f"{text!r} did not appear:\n{self.text}"
            time.sleep(0.3)

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self("kill-server")


def end_workers(home: Home) -> None:
    with Ledger.open(home) as ledger:
        for each in ledger.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGTERM)


def test_a_campaign_by_keys_from_the_form_to_the_replay(tmp_path):
    toy = find_task("toy")
    script = tmp_path / "script.toml"
    script.write_text(
        SCRIPT.format(
            cheat=toy / "cheats" / "01_edits_the_entry.patch",
            gain=toy / "solutions" / "02_row_sums_once.patch",
        )
    )
    home = Home(root=tmp_path / "home").create()
    tmux = Tmux(tmp_path, home.root)
    try:
        tmux.see("No campaigns yet.")
        tmux.keys("n")
        tmux.see("New campaign")
        for _ in list_tasks():  # in the order of the list, wherever toy stands in it
            if "◂ toy ▸" in tmux.text:
                break
            tmux.keys("Right")
        tmux.see("◂ toy ▸")
        tmux.keys("Down", "Down", "Down", "End", *("BSpace",) * 13, pause=0.05)
        tmux.type(f"scripted:{script}")
        tmux.keys("Down", "Down", "Down", "Down", "BSpace", "2", "Down", "Down", "Down")
        tmux.keys("C-s")
        tmux.see("queued c", 90)
        tmux.keys("2")
        tmux.see("not admitted", 180)
        tmux.see("Gate(1)", 300)
        tmux.keys("3")
        tmux.see("hunk")
        for _ in range(12):
            tmux.keys("Space", pause=2 * SEEN_AFTER_S)
            if "approve: ready" in tmux.text:
                break
        tmux.see("approve: ready")
        tmux.keys("a")
        tmux.see("It becomes the champion")
        time.sleep(0.8)
        tmux.keys("y")
        tmux.see("approved c")
        tmux.keys("2")
        tmux.see("promoted", 120)
        tmux("resize-window", "-x", "80", "-y", "24")
        tmux.keys("4")
        tmux.see("Steps")
        tmux.keys("$", "0", "l")
        tmux("resize-window", "-x", "200", "-y", "60")
        tmux.see("Steps")
        tmux.keys("q")
        tmux.see("ended 0")
        with Ledger.open(home) as ledger:
            campaign = ledger.campaigns()[0]
            assert campaign.promoted == 1
            decision = ledger.decisions()[0]
            assert decision.actor.startswith("person:")
            rounds = ledger.rounds(campaign.record.id)
            assert ledger.step(rounds[0].id, Step.ADMIT).outcome == "not_admitted"
            end = time.monotonic() + 120
            while ledger.campaign_summary(campaign.record.id).state is CampaignState.RUNNING:
                assert time.monotonic() < end
                time.sleep(0.5)
    finally:
        tmux.close()
        end_workers(home)


def test_the_editor_and_the_pager_get_the_terminal_and_give_it_back(
    sample: Sample, tmp_path, monkeypatch
):
    for name in ("EDITOR", "PAGER"):
        script = tmp_path / f"{name.lower()}.sh"
        script.write_text(f'#!/bin/sh\nhead -c 400 "$1"\necho "{name} WAS HERE"\nsleep 1.5\n')
        script.chmod(0o755)
        monkeypatch.setenv(name, str(script))
    tmux = Tmux(tmp_path, sample.home.root, "tui", "--screen", "gate")
    try:
        tmux.see("seen")
        tmux.keys("o", pause=0.6)
        tmux.see("PAGER WAS HERE", 20)
        tmux.see("hunks", 20)
        tmux.keys("4")
        tmux.see("Steps")
        tmux.keys("e", pause=0.6)
        tmux.see("EDITOR WAS HERE", 20)
        tmux.see("Steps", 20)
        tmux.keys("q")
        tmux.see("ended 0")
    finally:
        tmux.close()
