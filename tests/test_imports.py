"""What importing a room may load at run time, each in an interpreter of its own."""

import subprocess
import sys

import pytest

HEAVY = (
    "textual",
    "rich",
    "torch",
    "anthropic",
    "openai",
    "litellm",
    "dbos",
    "docker",
    "pydantic",
    "jinja2",
)
ALLOWED = {
    "rsi.sandboxes.types": (),
    "rsi.tasks.format.loader": (),
    "rsi.evals.judge.score": (),
    "rsi.agent.cli.parser": (),
    "rsi.agent.cli.entry": (),
    "rsi.tui.main": (),
    "rsi.agent.store.ledger": (),
    "rsi.agent.policy.gate": (),
}


@pytest.mark.parametrize("module", ALLOWED)
def test_a_module_loads_nothing_heavy_that_it_does_not_need(module):
    script = f"import sys, {module}; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(list(ALLOWED[module]))
