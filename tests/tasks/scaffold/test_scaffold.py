"""The scaffold task: worlds follow from their seed, the ladder climbs, the gate is out of reach, cheats end by name."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from types import SimpleNamespace

import pytest
from tests.tasks.conftest import harness_of

from rsi.evals.admission.admission import admit, is_admitted
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import measure
from rsi.evals.types import Purpose
from rsi.sandboxes.process import ProcessBackend
from rsi.tasks.files.patches import apply_patch
from rsi.tasks.files.trees import read_tree, write_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree
from rsi.tasks.types import Task

LADDER = (None, "01_no_repeats", "02_screen", "03_tree")


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("scaffold")


@pytest.fixture(scope="module")
def harness(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    names = ("worlds", "campaigns", "settings", "task")
    with harness_of(task, tmp_path_factory.mktemp("trusted"), names) as modules:
        yield modules


def settings_of(harness: SimpleNamespace, task: Task, name: str | None, folder: Path):
    tree = read_tree(task.repo)
    if name is not None:
        tree = patched_tree(task, next(each for each in task.solutions if each.name == name))
    write_tree(tree, folder)
    return harness.settings.read_settings(folder / "scaffold")


def test_a_campaign_is_a_function_of_its_world_and_settings(harness):
    worlds = [harness.worlds.draw_world(seed) for seed in range(20)]
    assert worlds == [harness.worlds.draw_world(seed) for seed in range(20)]
    assert len({each.ideas for each in worlds}) == 20
    first = [harness.campaigns.play(each, harness.settings.Settings()) for each in worlds]
    again = [harness.campaigns.play(each, harness.settings.Settings()) for each in worlds]
    assert first == again
    assert len({each.gain for each in first}) > 10


def test_the_ladder_climbs_and_false_promotions_stay_rare(harness, task, tmp_path):
    worlds = [harness.worlds.draw_world(seed) for seed in range(1_000, 1_600)]
    gains = []
    for at, name in enumerate(LADDER):
        settings = settings_of(harness, task, name, tmp_path / str(at))
        ended = [harness.campaigns.play(world, settings) for world in worlds]
        gains.append(mean(each.gain for each in ended))
        assert harness.task.false_share(ended) < 0.05, name
    assert all(after > 1.05 * before for before, after in itertools.pairwise(gains)), gains


def test_nothing_in_a_world_without_gains_is_promoted_often(harness):
    """The gate's own error rate, with cheats taken out: what it declares is what it keeps."""
    from dataclasses import replace

    found = []
    for seed in range(300):
        world = harness.worlds.draw_world(seed)
        idle = tuple(
            replace(each, effect=0.0, apparent=0.0, is_cheat=False) for each in world.ideas
        )
        found.append(
            harness.campaigns.play(replace(world, ideas=idle), harness.settings.Settings())
        )
    promoted = sum(each.promotions for each in found)
    tried = sum(each.proposals for each in found)
    assert tried > 5_000
    assert promoted / tried < harness.campaigns.ALPHA**2 * 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[gate]\nalpha = 0.5\n", "only the tables"),
        ("[search]\nstrategy = 'archive'\n", "not exercised"),
        ("[search]\nstrategy = 'greedy'\ntemperature = 1\n", "temperature"),
        ("[search]\nstrategy = ['greedy']\n", "not exercised"),
        ("[notebook]\nrepeats = 'allow'\n", "repeats"),
        ("[notebook]\nrepeats = 'tell'\nbudget = 9\n", "budget"),
        ("[screening]\npairs = -1\n", "may be from 0 to 8"),
        ("[screening]\npairs = true\n", "must be a number"),
        ("[screening]\ndrop_below = nan\n", "may be from"),
        ("search = 3\n", "only the tables"),
        ("[search", "cannot be read"),
        ("\x00", "cannot be read"),
        ("#" * 5_000, "bytes"),
    ],
)
def test_a_setting_that_no_campaign_exercises_is_refused_by_name(harness, tmp_path, text, words):
    (tmp_path / "search.toml").write_text(text)
    with pytest.raises(Exception, match=words) as refused:
        harness.settings.read_settings(tmp_path)
    assert type(refused.value).__name__ == "InvalidArtifact"


def ending(task: Task, tree, tmp_path: Path) -> str:
    """How a round would end before a reviewer sees it."""
    champion = read_tree(task.repo)
    if not is_admitted(admit(task, champion, tree)):
        return "not_admitted"
    profile = task.profiles["smoke"]
    runs = measure(
        task, profile, ProcessBackend(), champion, tree, purpose=Purpose.SCREEN, lineage="x", round_id="r",
        campaign_secret=bytes(16), cache=tmp_path,
    )  # fmt: skip
    said = score(task, profile, runs, purpose=Purpose.SCREEN, source=source_facts(champion, tree))
    failed = [name for name in said.outcomes if name != "ok"]
    return failed[0] if failed else said.verdict.value


@pytest.mark.slow
def test_each_cheat_ends_as_it_must(task, tmp_path):
    for cheat in task.cheats:
        tree = apply_patch(read_tree(task.repo), cheat.patch.read_bytes(), name=cheat.name)
        found = ending(task, tree, tmp_path)
        # A gain with words to the reviewer passes until a fixed rule of the review holds it.
        assert found in (*cheat.expect, "supported" if "held" in cheat.expect else ""), cheat.name


@pytest.mark.slow
def test_a_ticket_of_another_instance_is_refused(harness, task, tmp_path):
    from harness_kit import InvalidArtifact
    from harness_kit.verbs import InstanceFolder, Request

    def made(seed: bytes, name: str) -> InstanceFolder:
        root = tmp_path / name
        (root / "public").mkdir(parents=True)
        (root / "secret").mkdir()
        request = Request(
            profile="smoke", purpose="dev", seed=seed, track="main", settings={"worlds": 5}
        )
        harness.task.ScaffoldHarness().instance(request, root / "public", root / "secret")
        return InstanceFolder(root=root, request=request)

    one, other = made(b"1" * 32, "one"), made(b"2" * 32, "other")
    out = tmp_path / "out"
    out.mkdir()
    (out / "search.toml").write_bytes((task.repo / "scaffold" / "search.toml").read_bytes())
    (out / "ticket.json").write_bytes((one.public / "ticket.json").read_bytes())
    graded = harness.task.ScaffoldHarness().grade(one, out)
    assert graded.metric_value is not None
    with pytest.raises(InvalidArtifact, match="another instance"):
        harness.task.ScaffoldHarness().grade(other, out)
