"""Print what the deciding rules promise, simulated under measured noise: `python benchmarks/evidence.py`.

Does not: measure anything on this machine. `--json` prints the rows as JSON; `--quick` uses fewer campaigns.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence

import numpy as np

from rsi.evals.budget import PLANNED_CANDIDATES, alpha_for
from rsi.evals.simulation import (
    NOISES,
    Noise,
    campaign_plan,
    fixed_pairs_needed,
    keep_if_better,
    promote_many,
    simulate_pairs,
)

CAMPAIGN_ALPHA = 0.01
MINIMUM_EFFECT = 0.01
MAX_PAIRS = 48
MIX = ((1.0, 0.80), (0.95, 0.08), (1.03, 0.08), (1.10, 0.03), (1.5, 0.01))
"""True ratios of a campaign's candidates and their shares."""


def evidence_row(noise: Noise, campaigns: int, seed: int) -> dict[str, float | str | None]:
    """Error rates, power and cost under one noise.

    Args:
        noise: What the machine does.
        campaigns: Simulated A/A campaigns of 125 candidates.
        seed: Everything derives from it.
    """
    rng = np.random.default_rng(seed)
    plan = campaign_plan(max_pairs=MAX_PAIRS, campaign_alpha=CAMPAIGN_ALPHA)
    null = promote_many(noise, np.zeros(campaigns * PLANNED_CANDIDATES), plan, MINIMUM_EFFECT, rng)
    per_campaign = null.promoted.reshape(campaigns, -1).any(axis=1)
    gain = promote_many(noise, np.full(4_000, math.log(1.03)), plan, MINIMUM_EFFECT, rng)
    mixed = np.concatenate([np.full(round(5_000 * share), math.log(r)) for r, share in MIX])
    cost = promote_many(noise, mixed, plan, MINIMUM_EFFECT, rng).pairs.mean()
    kept, claimed = keep_if_better(noise, campaigns, rng)
    fixed: int | None
    try:
        alpha = alpha_for(1, CAMPAIGN_ALPHA)
        fixed = fixed_pairs_needed(noise, math.log(1.03), alpha, MINIMUM_EFFECT, rng)
    except ValueError:
        fixed = None
    return {
        "noise": noise.name,
        "pair_sd": float(simulate_pairs(noise, 0.0, 4_000, 40, rng).std()),
        "false_campaigns": float(per_campaign.mean()),
        # Rule of three: the 95 % bound when nothing was seen, Poisson otherwise.
        "false_campaigns_high": (3.0 + 2.0 * float(per_campaign.sum())) / campaigns,
        "keep_if_better_promotions": float(kept.mean()),
        "keep_if_better_claim": float(claimed.mean()),
        "power_3_percent": float(gain.promoted.mean()),
        "pairs_null": float(null.pairs.mean()),
        "pairs_3_percent": float(gain.pairs.mean()),
        "pairs_campaign_mean": float(cost),
        "pairs_fixed": None if fixed is None else float(fixed),
        "cost_share": None if fixed is None else float(cost) / fixed,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one row a noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=20261120)
    chosen, _ = parser.parse_known_args(arguments)  # `make bench ARGS=...` is shared by all
    began = time.perf_counter()
    campaigns = 200 if chosen.quick else 2_000
    rows = [evidence_row(noise, campaigns, chosen.seed) for noise in NOISES]
    if chosen.json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return 0
    out = sys.stdout.write
    out(
        f"{campaigns} A/A campaigns of {PLANNED_CANDIDATES} candidates each, declared "
        f"{CAMPAIGN_ALPHA:.0%} a campaign, minimum effect {MINIMUM_EFFECT:.0%}, "
        f"at most {MAX_PAIRS} pairs a stage\n\n"
    )
    out(
        f"{'noise':14}{'pair sd':>8}{'false':>8}{'(95 %)':>8}{'keep-if-better':>20}"
        f"{'power 3 %':>11}{'null':>7}{'3 %':>7}{'mix':>7}{'fixed':>7}{'cost':>7}\n"
    )
    for row in rows:
        fixed = "-" if row["pairs_fixed"] is None else f"{row['pairs_fixed']:.0f}"
        share = "-" if row["cost_share"] is None else f"{row['cost_share']:.2f}"
        out(
            f"{row['noise']:14}{row['pair_sd']:8.1%}{row['false_campaigns']:8.2%}"
            f"{row['false_campaigns_high']:8.2%}"
            f"{row['keep_if_better_promotions']:9.1f} for {row['keep_if_better_claim']:.3f}x"
            f"{row['power_3_percent']:11.1%}{row['pairs_null']:7.1f}{row['pairs_3_percent']:7.1f}"
            f"{row['pairs_campaign_mean']:7.1f}{fixed:>7}{share:>7}\n"
        )
    out(
        "\nfalse: campaigns with any promotion. keep-if-better: promotions and claimed speedup of the rule "
        "'run once, keep the fastest'.\nnull, 3 %, mix: mean pairs, both stages. fixed: pairs a "
        f"fixed-size test needs at the same rates.\n{time.perf_counter() - began:.0f} s\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
