"""A broken task, provider or strategy of another distribution is one sentence, and takes no command down."""

import os
import subprocess
import sys

import pytest
from tests.plugins.installing import install

from rsi.agent.llm.errors import MissingKeyError, ModelSpecError, UnknownPriceError
from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.resolve import provider_forms, resolve_model
from rsi.agent.plugins import tried_plugins
from rsi.agent.search.choose import StrategyError, choose_strategy, strategy_kinds
from rsi.agent.search.types import Facts
from rsi.tasks.errors import TaskNotFoundError
from rsi.tasks.format.loader import find_task, list_tasks

FACTS = Facts(baseline="base", champion="base")

STRATEGIES = """
from dataclasses import dataclass
from rsi.agent.search.types import Plan

@dataclass(frozen=True)
class Fine:
    share: float = 0.5
    name = "fine"
    def plan(self, facts, seed):
        return Plan(parent=facts.champion)

@dataclass(frozen=True)
class Elsewhere(Fine):
    def plan(self, facts, seed):
        return Plan(parent="--upload-pack=x")

@dataclass(frozen=True)
class Silent(Fine):
    def plan(self, facts, seed):
        return None

@dataclass(frozen=True)
class Raises(Fine):
    def plan(self, facts, seed):
        raise KeyError("lost")

@dataclass(frozen=True)
class Unmade(Fine):
    def __post_init__(self):
        raise RuntimeError("not today")

@dataclass(frozen=True)
class Unreadable(Fine):
    when: "NoSuchType" = None

class Plain:
    def plan(self, facts, seed): ...
"""

MODELS = """
from rsi.agent.llm.types import FREE
class Model:
    spec, price, context_tokens = "acme:x", FREE, 1000
    def complete(self, request, *, on_delta=None): ...
class Priceless(Model):
    price = None
def fine(context): return Model()
def priceless(context): return Priceless()
def keyed(context): context.keys.key_for("acme"); return Model()
def silent(context): return None
def raises(context): raise OSError("no line")
def leaves(context): raise SystemExit(3)
"""


@pytest.fixture
def acme(site):
    """A distribution with everything above, under names of its own."""
    names = ("Fine", "Elsewhere", "Silent", "Raises", "Unmade", "Unreadable", "Plain")
    entries = "[rsi.strategies]\ngreedy = acme:Fine\n"
    entries += "".join(f"{name.lower()} = acme:{name}\n" for name in names)
    entries += "[rsi.models]\nopenai = acme:fine\n"
    entries += "".join(
        f"{name} = acme:{name}\n"
        for name in ("fine", "priceless", "keyed", "silent", "raises", "leaves")
    )
    install(site, "acme", entries, STRATEGIES + MODELS)
    return site


def one_sentence(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.usefixtures("acme")
def test_a_strategy_is_made_with_its_settings_and_its_plan_is_taken():
    chosen = choose_strategy("fine:share=0.25")
    assert chosen.plan(FACTS, 1).parent == "base"
    with pytest.raises(StrategyError, match="share='much'"):
        choose_strategy("fine:share=much")
    assert choose_strategy("greedy").name == "greedy", "rsi's own comes first"
    assert [each.name for each in strategy_kinds()].count("greedy") == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("unmade", "cannot be made: RuntimeError: not today"),
        ("unreadable", "has no readable settings: NameError"),
        ("plain", "is no dataclass with `plan`"),
    ],
)
@pytest.mark.usefixtures("acme")
def test_a_strategy_that_cannot_be_made_is_named_with_its_distribution(name, said):
    with pytest.raises(StrategyError) as caught:
        choose_strategy(name)
    sentence = one_sentence(caught.value)
    assert f"{name!r} (rsi.strategies) of acme 1.0" in sentence
    assert said in sentence


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("elsewhere", "no plan from a commit that it was shown"),
        ("silent", "None is no plan"),
        ("raises", "KeyError: 'lost'"),
    ],
)
@pytest.mark.usefixtures("acme")
def test_a_plan_that_leads_nowhere_is_refused_before_anything_is_built_on_it(name, said):
    with pytest.raises(StrategyError) as caught:
        choose_strategy(name).plan(FACTS, 1)
    assert "of acme 1.0 cannot plan a round" in one_sentence(caught.value)
    assert said in str(caught.value)


@pytest.mark.usefixtures("acme")
def test_a_provider_gives_models_by_its_name():
    assert resolve_model("fine:x").spec == "acme:x"
    assert "fine:<model>" in provider_forms()
    assert [each.partition(":")[0] for each in provider_forms()].count("openai") == 1
    with pytest.raises(UnknownPriceError, match="no price is known for 'priceless:x'"):
        resolve_model("priceless:x")
    assert resolve_model("priceless:x", allow_unknown_price=True).price is None
    with pytest.raises(MissingKeyError, match="set ACME_API_KEY"):
        resolve_model("keyed:x", keys=KeyRing({}))
    ring = KeyRing({"ACME_API_KEY": "sk-canary-0123456789"})
    resolve_model("keyed:x", keys=ring)
    assert "canary" not in ring.redactor().text("it said sk-canary-0123456789")


@pytest.mark.parametrize(
    ("name", "said"),
    [("silent", "AttributeError"), ("raises", "OSError: no line"), ("leaves", "SystemExit: 3")],
)
@pytest.mark.usefixtures("acme")
def test_a_provider_that_gives_no_model_is_named_with_its_distribution(name, said):
    with pytest.raises(ModelSpecError) as caught:
        resolve_model(f"{name}:x")
    assert f"{name!r} (rsi.models) of acme 1.0 gives no model" in one_sentence(caught.value)
    assert said in str(caught.value)


def test_a_task_that_is_not_there_stands_in_the_list_with_its_reason(site):
    (site / "halves" / "half").mkdir(parents=True)
    (site / "halves" / "half" / "task.toml").write_text("schema_version = 3\n")
    (site / "halves" / "other").mkdir()
    entries = "[rsi.tasks]\nhalf = halves.half\nother = halves.other\nnowhere = nothing.here\ntoy = halves.half\n"
    install(site, "half-tasks", entries)
    found = {each.name: each.problem for each in list_tasks()}
    assert "schema_version" in found["half"]
    assert (
        "'other' (rsi.tasks) of half-tasks 1.0: halves.other is no folder 'other' with"
        in found["other"]
    )
    assert "there is no folder nothing.here" in found["nowhere"]
    assert found["toy"] is None, "rsi's own comes first"
    assert find_task("toy").parent.name == "tasks"
    with pytest.raises(
        TaskNotFoundError, match=r"of half-tasks 1\.0: there is no folder nothing\.here"
    ):
        find_task("nowhere")
    with pytest.raises(TaskNotFoundError, match=r"no task 'halv'.*half, .*nowhere, other"):
        find_task("halv")


@pytest.mark.usefixtures("acme")
def test_what_is_wrong_with_each_can_be_listed():
    found = {(each.plugin.group.value, each.plugin.name): each.problem for each in tried_plugins()}
    assert found["rsi.strategies", "fine"] == ""
    assert found["rsi.strategies", "greedy"] == "not used: rsi has 'greedy' already"
    assert found["rsi.models", "openai"] == "not used: rsi has 'openai' already"
    assert "not today" in found["rsi.strategies", "unmade"]
    assert found["rsi.models", "raises"] == "", "a provider is only asked when a name is"


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("--help",), ("task", "list"), ("doctor", "--quick"), ("run", "--help")]
)
def test_a_distribution_with_nothing_but_faults_takes_no_command_down(tmp_path, words):
    entries = "[rsi.tasks]\nt = faulty:T\n[rsi.backends]\nb = faulty:B\n[rsi.models]\nm = faulty:M\n[rsi.strategies]\ns = faulty:S\n"  # fmt: skip
    install(tmp_path, "faulty", entries, "raise SystemExit('gone')")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "rsi.agent.cli", *words],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "RSI_HOME": str(tmp_path / "home")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 1}
    assert done.returncode == 0 or "no campaign may start" in done.stdout
    assert ("of faulty 1.0" in done.stdout) == (words[0] != "--help")
