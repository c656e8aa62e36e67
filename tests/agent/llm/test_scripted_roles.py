"""The scripted model plays critic and reviewer as well, so a keyless campaign has all its roles."""

import pytest
from tests.agent.puppet import OpenBudgetGuard
from tests.agent.roles.reviewer.test_panel import case
from tests.agent.roles.test_critic import candidate

from rsi.agent.llm.codec import block_from_json, block_to_json
from rsi.agent.llm.scripted.model import ScriptedModel
from rsi.agent.llm.scripted.script import load_script
from rsi.agent.llm.types import Reasoning, Text, ToolCall, ToolResult
from rsi.agent.roles.critic import criticise
from rsi.agent.roles.reviewer.panel import review
from rsi.agent.roles.scaffold.loading import ScaffoldError, load_scaffold
from rsi.agent.store.steps.values import Stance
from rsi.evals.types import Severity

SCRIPT = """
[[round]]
give_up = "x"

[[round]]
give_up = "x"
[round.critique]
stance = "revise"
text = "the cache is never cleared"
[[round.finding]]
severity = "hold"
file = "model.py"
line = 4
message = "reads a file that no task file names"
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "roles.toml"
    path.write_text(SCRIPT)
    return load_script(str(path), None)


def settings():
    return {"sink": lambda *_: None, "budget_guard": OpenBudgetGuard(), "scaffold": load_scaffold()}


def test_without_words_in_the_script_the_critic_lets_go_and_the_reviewer_finds_nothing(script):
    model = ScriptedModel(script, round_number=1)
    assert criticise(candidate(), model, **settings()).stance is Stance.GO
    assert review(case(), [model], **settings()).findings == ()


def test_the_script_speaks_for_critic_and_reviewer(script):
    model = ScriptedModel(script, round_number=2)
    said = criticise(candidate(), model, **settings())
    assert (said.stance, said.text) == (Stance.REVISE, "the cache is never cleared")
    found = review(case(), [model], votes=3, **settings()).findings
    assert [(f.severity, f.file, f.line) for f in found] == [(Severity.HOLD, "model.py", 4)]


@pytest.mark.parametrize(
    "block",
    [
        Text(text="x"),
        Reasoning(provider="p", text="t", payload={"a": [1]}),
        ToolCall(id="1", name="n", arguments={"a": 1}),
        ToolCall(id="1", name="n", arguments={}, raw_arguments="{", problem="bad"),
        ToolResult(call_id="1", text="x", is_error=True),
    ],
)
def test_every_block_survives_its_json(block):
    assert block_from_json(block_to_json(block)) == block


def test_a_block_of_a_newer_version_is_named():
    with pytest.raises(ValueError, match="'hologram'"):
        block_from_json({"type": "hologram"})


def test_a_scaffolds_digest_changes_with_any_word_and_names_its_mistakes(tmp_path):
    import shutil

    from rsi.agent.roles.scaffold.loading import DEFAULT

    folder = tmp_path / "mine"
    shutil.copytree(DEFAULT, folder)
    assert load_scaffold(folder).digest == load_scaffold().digest
    prompt = folder / "prompts" / "proposer.md"
    prompt.write_text(prompt.read_text() + "\nBe bold. Cost: $budget\n")
    changed = load_scaffold(folder)
    assert changed.digest != load_scaffold().digest
    with pytest.raises(ScaffoldError, match=r"proposer\.md: blank 'budget'"):
        changed.render("proposer", data_rule="x")
    prompt.unlink()
    with pytest.raises(ScaffoldError, match=r"lacks prompts proposer\.md"):
        load_scaffold(folder)
    (folder / "scaffold.toml").write_text('name = "x"\nversion = "1"\ntools = []\ncolour = 1\n')
    with pytest.raises(ScaffoldError, match="colour is not a known key"):
        load_scaffold(folder)
    with pytest.raises(
        ScaffoldError, match=r"there is no folder .*absent; a scaffold is one with scaffold\.toml"
    ):
        load_scaffold(tmp_path / "absent")
