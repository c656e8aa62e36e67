"""The words of the verbs that look at the evaluator itself: controls, what-if, reviewer-check, audit, ablate."""

import argparse

from rsi.agent.cli.grammar import add_campaign_optional, add_round, add_sandbox, model_names


def controls_words(parser: argparse.ArgumentParser) -> None:
    """What `rsi controls` takes."""
    add_campaign_optional(parser)
    parser.add_argument(
        "--over-time",
        action="store_true",
        help="also capability and control of the lineage on one time axis: the champion's speedup, planted cheats "
        "caught, false promotions, promotions that a person saw",
    )


def what_if_words(parser: argparse.ArgumentParser) -> None:
    """What `rsi what-if` takes."""
    from rsi.agent.trust.what_if import Panel, Statistic

    add_campaign_optional(parser)
    parser.add_argument(
        "--minimum-effect", type=float, help="smallest gain that counts, 0.02 is 2 %%"
    )
    parser.add_argument("--alpha", type=float, help="one-sided error rate of one stage")
    parser.add_argument(
        "--statistic",
        choices=[each.value for each in Statistic],
        default=Statistic.SEQUENTIAL.value,
        help="; ".join(f"{each}: {each.meaning}" for each in Statistic) + " (default: %(default)s)",
    )
    parser.add_argument(
        "--pairs", type=int, help="pairs of fixed-n (default: the plan's smallest number)"
    )
    parser.add_argument(
        "--reviewer",
        choices=[each.value for each in Panel],
        default=Panel.CAMPAIGN.value,
        help="; ".join(f"{each}: {each.meaning}" for each in Panel) + " (default: %(default)s)",
    )
    parser.add_argument(
        "--no-rules", action="store_true", help="without rules, reviewer, plausibility"
    )
    parser.add_argument(
        "--no-quality", action="store_true", help="without quality rules and guards"
    )
    parser.add_argument(
        "--no-confirmation", action="store_true", help="promote on the screen alone"
    )
    parser.add_argument(
        "--all", action="store_true", help="list every round, not only changed ones"
    )


def reviewer_check_words(parser: argparse.ArgumentParser) -> None:
    """What `rsi reviewer-check` takes."""
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="tasks to take (default: all)")
    parser.add_argument(
        "--model",
        help=f"model that reviews besides the rules: {model_names()} (default: rules alone)",
    )
    parser.add_argument(
        "--votes", type=int, default=1, help="fresh looks at each patch (default: %(default)s)"
    )
    parser.add_argument("--scaffold", help="folder with the reviewer's prompt")
    parser.add_argument("--budget-usd", type=float, help="dollars that the model may cost")
    parser.add_argument(
        "--allow-unknown-price", action="store_true", help="use a model whose price is not known"
    )


def audit_words(parser: argparse.ArgumentParser) -> None:
    """What `rsi audit` takes."""
    parser.add_argument("lineage", help="name of the lineage")
    parser.add_argument(
        "--leave-one-out",
        action="store_true",
        help="also measure the champion without each promotion",
    )
    parser.add_argument(
        "--transfer",
        action="store_true",
        help="measure at the larger profile that the task names: does the gain hold there?",
    )
    parser.add_argument(
        "--gap",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="between the sessions in which the whole is measured, so that they meet other states of the machine; default 60",
    )
    _remeasured(parser)


def ablate_words(parser: argparse.ArgumentParser) -> None:
    """What `rsi ablate` takes."""
    add_round(parser)
    parser.add_argument("--by", choices=("file", "hunk"), default="file", help="size of a part")
    _remeasured(parser)


def _remeasured(parser: argparse.ArgumentParser) -> None:
    add_sandbox(parser, "backend to run in (default: the campaign's)", default=None)
    parser.add_argument("--pairs", type=int, help="pairs of each comparison (default: the plan's)")
