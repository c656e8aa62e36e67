"""From the flag `--strategy`, or a scaffold's [search] table, to a strategy: a name, and settings after a colon.

Examples: `greedy`, `best_of_n:n=6`, `tree:pick=softmax,temperature=0.05`, `archive:islands=4`.
"""

from collections.abc import Mapping

from rsi.agent.search.bandit import WithModels
from rsi.agent.search.frontier import Pick
from rsi.agent.search.strategies import Archive, BestOfN, Greedy, Tree
from rsi.agent.search.types import Strategy

DEFAULT = "greedy"
NAMES = (DEFAULT, "best_of_n", "tree", "archive")
_SETTINGS: Mapping[str, Mapping[str, type]] = {
    "greedy": {},
    "best_of_n": {"n": int},
    "tree": {
        "pick": Pick,
        "k": int,
        "epsilon": float,
        "temperature": float,
        "visit_cost": float,
    },
    "archive": {"islands": int, "migrate_every": int, "temperature": float},
}
_AT_LEAST_ONE = ("n", "k", "islands", "migrate_every")


class StrategyError(ValueError):
    """A strategy was named wrongly."""


def choose_strategy(flag: str) -> Strategy:
    """The strategy that a flag names; the models of a campaign are chosen by the bandit in each.

    Raises:
        StrategyError: No such strategy or setting, or a value that it cannot have.
    """
    name, _, rest = flag.partition(":")
    name = name.replace("-", "_")
    if name not in NAMES:
        raise StrategyError(f"no strategy {name!r}; there are {', '.join(NAMES)}")
    settings = _settings(name, rest, flag)
    match name:
        case "greedy":
            inner: Strategy = Greedy()
        case "best_of_n":
            inner = BestOfN(**settings)  # type: ignore[arg-type]  # typed one by one in _settings
        case "tree":
            how = settings.pop("pick", Pick.SOFTMAX)
            inner = Tree(how=how, **settings)  # type: ignore[arg-type]  # typed one by one in _settings
        case _:
            inner = Archive(**settings)  # type: ignore[arg-type]  # typed one by one in _settings
    return WithModels(inner=inner)


def flag_of(search: Mapping[str, object]) -> str:
    """The flag that a scaffold's [search] table stands for; an empty table stands for `greedy`.

    Args:
        search: `strategy` is its name, every other key a setting of it.

    Raises:
        StrategyError: No such strategy or setting, or a value that it cannot have.
    """
    settings = ",".join(f"{key}={value}" for key, value in search.items() if key != "strategy")
    flag = str(search.get("strategy", DEFAULT)) + (f":{settings}" if settings else "")
    choose_strategy(flag)
    return flag


def _settings(name: str, rest: str, flag: str) -> dict[str, object]:
    known = _SETTINGS[name]
    settings: dict[str, object] = {}
    for part in filter(None, rest.split(",")):
        key, _, text = part.partition("=")
        if key not in known:
            names = ", ".join(known) or "none"
            raise StrategyError(f"strategy {flag!r}: no setting {key!r}; {name} has {names}")
        try:
            value = known[key](text)
        except ValueError as error:
            options = f"; one of {', '.join(Pick)}" if known[key] is Pick else ""
            raise StrategyError(f"strategy {flag!r}: {key}={text!r}: {error}{options}") from error
        if key in _AT_LEAST_ONE and value < 1:
            raise StrategyError(f"strategy {flag!r}: {key} must be at least 1")
        if key == "temperature" and not value > 0:
            raise StrategyError(f"strategy {flag!r}: temperature must be above 0")
        if key == "epsilon" and not 0 <= value <= 1:
            raise StrategyError(f"strategy {flag!r}: epsilon must be between 0 and 1")
        settings[key] = value
    return settings
