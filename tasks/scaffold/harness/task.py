"""The scaffold task's verbs: fresh worlds for every instance, and the campaigns that a scaffold's settings drive in them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from harness_kit import Check, Graded, InvalidArtifact, Part, canonical_json, stdlib_random
from harness_kit.artifacts import read_file
from harness_kit.verbs import InstanceFolder, Request

from harness.campaigns import BUDGET_RUNS, Ended, play
from harness.settings import Settings, read_settings
from harness.worlds import World, draw_world

MAX_TICKET_BYTES = 200
LEAST_GAIN = 0.001
"""What a scaffold gets that gains nothing: a ratio needs a start."""
NOISY = 0.02
"""Standard deviation of a pair's log ratio from which a world counts as noisy."""
DEAR_RUNS = 4.0
"""Runs' worth of a proposal from which it counts as dear."""
MAX_FALSE_SHARE = 0.05


class ScaffoldHarness:
    """Draws worlds, plays a campaign in each, and says what the champions are truly worth."""

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": f"true log gain of the final champion after {BUDGET_RUNS:.0f} runs, mean over simulated campaigns",
            "artifact": "search.toml",
            "assurance": "simulated",
            "is_recomputed": True,
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        drawing = stdlib_random(request.seed, "worlds")
        seeds = [drawing.getrandbits(48) for _ in range(request.integer("worlds"))]
        (secret / "worlds.json").write_bytes(canonical_json(seeds))
        ticket = {"ticket": f"{stdlib_random(request.seed, 'ticket').getrandbits(64):016x}"}
        (public / "ticket.json").write_bytes(canonical_json(ticket))

    def grade(self, instance: InstanceFolder, artifact: Path) -> Graded:
        ticket = (instance.public / "ticket.json").read_bytes()
        if read_file(artifact, "ticket.json", max_bytes=MAX_TICKET_BYTES) != ticket:
            raise InvalidArtifact("the ticket is another instance's")
        settings = read_settings(artifact)
        seeds = json.loads((instance.secret / "worlds.json").read_text(encoding="ascii"))
        worlds = [draw_world(seed) for seed in seeds]
        ended = [play(world, settings) for world in worlds]
        gain = mean(each.gain for each in ended)
        said = repr([(each.gain, each.promotions, each.proposals) for each in ended])
        return Graded(
            metric_value=max(LEAST_GAIN, gain),
            quality={"false_promotions": false_share(ended)},
            parts=_parts(worlds, ended),
            guards=(
                Check(
                    name="simulated",
                    is_ok=True,
                    evidence=f"{len(ended)} simulated campaigns, {sum(each.promotions for each in ended)} promotions",
                ),
            ),
            hidden_reads=1,
            reply_digest=hashlib.sha256(said.encode()).hexdigest(),
        )

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        drawing = stdlib_random(request.seed, "selfcheck")
        worlds = [draw_world(drawing.getrandbits(48)) for _ in range(60)]
        plain = [play(each, Settings()) for each in worlds]
        better = [play(each, Settings(repeats="withdraw", screen_pairs=1)) for each in worlds]
        plain_gain, better_gain = (mean(each.gain for each in found) for found in (plain, better))
        return (
            Check(
                name="there_is_headroom",
                is_ok=better_gain > plain_gain > 0,
                evidence=f"{plain_gain:.3f} as it starts, {better_gain:.3f} without repeats and with a screen",
            ),
            Check(
                name="the_gate_holds",
                is_ok=false_share(plain + better) < 2 * MAX_FALSE_SHARE,
                evidence=f"{false_share(plain + better):.1%} of the promotions are false",
            ),
            Check(
                name="a_campaign_is_a_function_of_its_world",
                is_ok=[play(each, Settings()) for each in worlds[:5]] == plain[:5],
                evidence="5 campaigns played twice",
            ),
        )


def false_share(ended: Sequence[Ended]) -> float:
    """Share of all promotions that gained nothing."""
    promotions = sum(each.promotions for each in ended)
    return sum(each.false_promotions for each in ended) / promotions if promotions else 0.0


def _parts(worlds: Sequence[World], ended: Sequence[Ended]) -> list[Part]:
    """Gain by kind of world, for a person to see where a scaffold is good."""
    kinds = {
        "quiet": lambda world: world.noise < NOISY,
        "noisy": lambda world: world.noise >= NOISY,
        "cheap_proposals": lambda world: world.proposal_runs < DEAR_RUNS,
        "dear_proposals": lambda world: world.proposal_runs >= DEAR_RUNS,
    }
    parts = []
    for name, holds in kinds.items():
        gains = [each.gain for world, each in zip(worlds, ended, strict=True) if holds(world)]
        parts.append(Part(name=name, value=mean(gains) if gains else None, n=len(gains)))
    return parts
