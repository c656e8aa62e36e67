"""A local provider that plays a campaign's script over HTTP, keeps its own bill, and makes trouble when asked to.

It answers as the scripted model would for the conversation that it receives, so a campaign driven through a
real SDK can be held against the scripted one. The bill is what a real provider would charge: every answer whose
sending began, whether or not anybody could use it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.agent.llm.servers import Act, FakeProvider, Say

from rsi.agent.llm.scripted.model import ScriptedModel
from rsi.agent.llm.scripted.script import load_script
from rsi.agent.llm.types import Request, Usage
from rsi.tasks.format.loader import load_task

CANARY = "sk-canary-5b1f0c7e9a2d4468b3f1"
GPT = "openai:gpt-5"
CLAUDE = "anthropic:claude-sonnet-5-5"
LITELLM = "litellm:openai/gpt-5"

Trouble = Callable[[int, Request], Act | None]
"""Given the number of a request, 1-based, an act instead of the script's; None lets the script go on."""


class ScriptedProvider(FakeProvider):
    """Plays the round that the ledger is in."""

    def __init__(self, path: Path, ledger, task="toy") -> None:
        super().__init__()
        self._path, self._ledger, self._task = path, ledger, load_task(task)
        self.campaign_id = ""
        """Whose rounds are played; set once it is queued."""
        self.trouble: Trouble = lambda _number, _request: None
        self.usage: Usage | None = None
        """Reported with each reply; None reports what the script's model would have used."""
        self.billed: list[Usage] = []

    def next_act(self, request: Request) -> Act:
        act = self.trouble(len(self.seen), request) or self.play(request)
        if isinstance(act, Say) and act.usage is not None:
            self.billed.append(act.usage)
        return act

    def play(self, request: Request) -> Say:
        """What the script says next in this conversation."""
        script = load_script(str(self._path), self._task)
        number = len(self._ledger.rounds(self.campaign_id))
        reply = ScriptedModel(script, round_number=number).complete(request)
        unreadable = [each.raw_arguments for each in reply.tool_calls if each.problem is not None]
        return Say(
            blocks=reply.blocks,
            stop=reply.stop_reason,
            usage=self.usage or reply.usage,
            raw_arguments=unreadable[0] if unreadable else None,
        )

    def garbled(self, request: Request) -> Say:
        """The script's turn with arguments that are no JSON; paid like any other."""
        return replace(self.play(request), raw_arguments='{"path": "bigr')


@contextmanager
def playing(tmp_path, ledger, monkeypatch) -> Iterator[ScriptedProvider]:
    """Point every SDK of this process and of its workers at a provider that plays the queued script."""
    with ScriptedProvider(tmp_path / "script.toml", ledger) as server:
        for name in ("ANTHROPIC", "OPENAI"):
            monkeypatch.setenv(f"{name}_API_KEY", CANARY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.root)
        monkeypatch.setenv("OPENAI_BASE_URL", server.root + "/v1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server
