"""Every mistake gets one sentence and its exit code; nothing is written and no trace is shown."""

import os
import subprocess
import sys

import pytest

MISTAKES = [
    (["run", "nosuch"], 3, "no task 'nosuch'"),
    (["run", "toy", "--model", "foo:bar"], 6, "unknown provider 'foo'"),
    (["run", "toy", "--model", "scripted:/nowhere.toml"], 6, "no script found"),
    (["run", "toy", "--model", "none"], 6, "the proposer is 'none'"),
    (["run", "toy", "--critic", "rules"], 6, "the critic is 'rules'"),
    (["run", "toy", "--reviewer", "none"], 6, "the reviewer is 'none'"),
    (["run", "toy", "--profile", "huge"], 3, "no profile 'huge'; it has smoke"),
    (["run", "toy", "--track", "fast"], 3, "no track 'fast'"),
    (["run", "toy", "--sandbox", "jail"], 6, "unknown backend 'jail'"),
    (["run", "toy", "--rounds", "0"], 6, "rounds is 0"),
    (["run", "toy", "--seed", "12"], 6, "not a hex number of 32 digits"),
    (["run", "toy", "--budget-usd", "-1"], 6, "budget_usd is -1.0"),
    (["run", "toy", "--budget-device-hours", "-1"], 6, "budget_device_s is -3600.0"),
    (["run", "toy", "--round-budget-usd", "0"], 6, "round_budget_usd is 0.0"),
    (
        ["run", "toy", "--scaffold", "/nowhere"],
        6,
        "there is no folder /nowhere",
    ),
    (["import", "/nowhere.json"], 6, "/nowhere.json cannot be read"),
    (["show", "c1-0001"], 3, "no round 'c1-0001'"),
    (["approve", "c1-0001"], 3, "no round 'c1-0001'"),
    (["follow", "c1"], 3, "no campaign 'c1'"),
    (["rollback", "nowhere", "--to", "abc", "--reason", "x"], 6, "no lineage 'nowhere'"),
    (["replay", "c1-0001"], 3, "no round"),
    (["rescore", "c1-0001"], 3, "no round"),
    (["task", "check", "toy", "--sandbox", "jail"], 6, "unknown backend 'jail'"),
    (["run", "toy", "--strategy", "hill"], 6, "no strategy 'hill'"),
    (["task", "show", "/"], 3, "without a task.toml"),
]


@pytest.fixture
def rsi(tmp_path):
    def run(*words, **variables):
        return subprocess.run(
            [sys.executable, "-P", "-m", "rsi.agent.cli", *words],
            env=os.environ | {"RSI_HOME": str(tmp_path / "home")} | variables,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("words", "code", "sentence"), MISTAKES, ids=lambda each: str(each)[:40])
def test_a_mistake_is_one_sentence_and_a_code(rsi, tmp_path, words, code, sentence):
    from rsi.agent.store.home import Home
    from rsi.agent.store.ledger import Ledger

    Ledger.open(Home(root=tmp_path / "home").create()).close()
    done = rsi(*words)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    with Ledger.open(Home(root=tmp_path / "home"), read_only=True) as ledger:
        assert ledger.campaigns() == ()


@pytest.mark.slow
def test_a_place_that_cannot_be_used_is_named(rsi):
    for variables, part in (
        ({"RSI_HOME": "/proc/nowhere"}, "/proc/nowhere"),
        ({"RSI_HOME": "here"}, "relative path"),
        ({"RSI_DATABASE_URL": "postgresql://localhost:1/x"}, "Connection refused"),
        ({"RSI_LINEAGES_URL": "git@host:x"}, "no ssh://, https:// or file:// URL"),
        ({"RSI_DATABASE_URL": "mysql://x"}, "neither a PostgreSQL URL nor a SQLite file"),
    ):
        done = rsi("run", "toy", **variables)
        assert done.returncode == 5, done.stderr
        assert part in done.stderr
        assert "Traceback" not in done.stderr


def test_help_loads_nothing_but_the_grammar():
    script = (
        "import sys; from rsi.agent.cli.parser import build_parser; build_parser().format_help();"
        "heavy = {'textual', 'sqlalchemy', 'dbos', 'anthropic', 'openai', 'litellm', 'numpy', 'git'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
