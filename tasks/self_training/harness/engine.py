"""The weak model with its sampler, verdicts, judge and optimiser, all of it metered: what a policy of improvement may use.

Invariants: nothing is trained on but rows that this engine sampled, named by number; each is trained under the bare prompt of
its own problem; whoever calls sees numbers and never a text.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from harness_kit.serving import Refusal
from numpy.typing import NDArray

from harness import model, problems
from harness.problems import CODE, HARDEST, KINDS, LEVELS, MARK_AT, PAD, Problems, Tokens

TRAINED_TOKEN = 3
"""Tokens that one trained token counts: forward, and twice as much backward."""
VERDICT_TOKENS = 20
"""A verdict, or a trace, of one sample."""
MAX_PROBLEMS, MAX_SAMPLES = 50_000, 200_000
MAX_AT_ONCE, MAX_TRAINED_AT_ONCE = 4096, 1024
MAX_RATE, MAX_WEIGHT = 0.01, 10.0
JUDGE_STEPS, JUDGE_RIDGE = 8, 1.0


@dataclass(kw_only=True)
class _Kept:
    """Rows that grow: one list of arrays, joined when read."""

    parts: list[Tokens] = field(default_factory=list)
    count: int = 0

    def add(self, rows: Tokens) -> None:
        self.parts.append(rows)
        self.count += len(rows)

    def all(self) -> Tokens:
        if len(self.parts) > 1:
            self.parts = [np.concatenate(self.parts)]
        return self.parts[0] if self.parts else np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What is told of new samples; one entry each, in order of their problems."""

    first: int
    """Number of the first; the others follow."""
    problem: Tokens
    same: Tokens
    """Equal for samples of one problem that say the same, over the whole run."""
    log_p: model.Floats
    """Of the answer at temperature 1, given what the model saw when it answered."""
    is_well_formed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What is wrong with a verifier: some wrong answers pass for right ones; a right one is never refused."""

    share: float
    """Of the wrong answers, from 0 to 1; each sample is drawn once."""
    rng: np.random.Generator

    def lets_pass(self) -> bool:
        return bool(self.rng.random() < self.share)


class Engine:
    """One run's model and everything that was sampled from it."""

    def __init__(
        self,
        weights: model.Weights,
        rng: np.random.Generator,
        spend: Callable[[float], None],
        flaw: Flaw | None = None,
    ) -> None:
        self.weights = weights
        self._adam = model.Adam(weights=weights)
        self._rng, self._spend, self._flaw = rng, spend, flaw
        self._problems: list[Problems] = []
        self._n_problems = 0
        self._answers, self._of = _Kept(), _Kept()
        self._classes: dict[tuple[int, bytes], int] = {}
        self._verdicts: dict[int, bool] = {}
        self._traced: set[int] = set()
        self._judge: NDArray[np.float64] | None = None

    def problems(self, count: int, kind: int | None, level: int | None) -> tuple[int, Problems]:
        """Fresh problems to practise on; free."""
        if kind is not None and not 0 <= kind < len(KINDS):
            raise Refusal(f"no kind {kind} is practised; there are 0 to {len(KINDS) - 1}")
        if level is not None and not LEVELS[0] <= level < HARDEST:
            raise Refusal(
                f"no problems of level {level} are handed out; there are 1 to {HARDEST - 1}"
            )
        self._count_problems(count)
        kinds = self._rng.integers(0, len(KINDS), count)
        levels = self._rng.integers(LEVELS[0], HARDEST, count)
        kinds = kinds if kind is None else np.full(count, kind)
        levels = levels if level is None else np.full(count, level)
        return self._add(problems.draw(self._rng, kinds, levels))

    def propose(self, count: int) -> tuple[int, Problems]:
        """Problems that the model writes itself, without those that are none."""
        self._count_problems(count)
        self._spend(count * (1 + problems.PROBLEM))
        written, _ = model.sample(
            self.weights,
            np.array([[CODE[">"]]]),
            MARK_AT,
            count=problems.PROBLEM,
            n_each=count,
            temperature=1.0,
            ends=-1,
            fill=PAD,
            rng=self._rng,
        )
        found = [each for each in (problems.parse(row) for row in written) if each is not None]
        if not found:
            raise Refusal("the model wrote nothing that is a problem")
        return self._add(problems.joined(found))

    def sample(
        self, chosen: Tokens, n_each: int, temperature: float, parents: Tokens | None
    ) -> Sampled:
        """Answers of the model to problems, or further answers after what was bought of earlier ones."""
        if not 0.05 <= temperature <= 3:
            raise Refusal(f"temperature {temperature:g}; it goes from 0.05 to 3")
        if not 1 <= n_each * len(chosen) <= MAX_AT_ONCE:
            raise Refusal(f"{n_each * len(chosen)} samples at once; 1 to {MAX_AT_ONCE} are allowed")
        if self._answers.count + n_each * len(chosen) > MAX_SAMPLES:
            raise Refusal(f"{MAX_SAMPLES} samples were taken; a run has no more")
        known = self._chosen_problems(chosen)
        prompts, place = self._prompts(known, chosen, parents)
        # What is read is read once for all answers to it; the longest answers are set aside for and given back.
        reading = prompts.size
        longest = n_each * len(chosen) * problems.ANSWER
        self._spend(reading + longest)
        answers, log_p = model.sample(
            self.weights,
            prompts,
            place,
            count=problems.ANSWER,
            n_each=n_each,
            temperature=temperature,
            ends=CODE["."],
            fill=PAD,
            rng=self._rng,
        )
        self._spend(-float((answers == PAD).sum()))
        first, of = self._answers.count, np.repeat(chosen, n_each)
        self._answers.add(answers)
        self._of.add(of)
        same = [
            self._classes.setdefault((int(problem), answer.tobytes()), len(self._classes))
            for problem, answer in zip(of, answers, strict=True)
        ]
        return Sampled(
            first=first,
            problem=of,
            same=np.array(same),
            log_p=log_p,
            is_well_formed=problems.is_well_formed(answers),
        )

    def verify(self, chosen: Tokens) -> NDArray[np.bool_]:
        """Whether samples are right, as far as the verifier sees; asked again, it says the same."""
        answers, of = self._samples(chosen)
        self._spend(VERDICT_TOKENS * len(chosen))
        right = (answers == of.answer).all(axis=1)
        for number, is_right in zip(chosen.tolist(), right.tolist(), strict=True):
            if number not in self._verdicts:
                self._verdicts[number] = is_right or (
                    self._flaw is not None and self._flaw.lets_pass()
                )
        return np.array([self._verdicts[number] for number in chosen.tolist()])

    def trace(self, chosen: Tokens) -> Tokens:
        """How many symbols of samples an interpreter lets pass before the first wrong one."""
        if self._flaw is not None:
            raise Refusal("where verdicts err there is no interpreter either")
        answers, of = self._samples(chosen)
        self._spend(VERDICT_TOKENS * len(chosen))
        self._traced.update(chosen.tolist())
        return (problems.right_prefix(of, answers) != PAD).sum(axis=1)

    def judge_fit(self, chosen: Tokens, verdicts: Tokens) -> None:
        """Fit a small judge on what the model makes of samples: a logistic regression over its states."""
        if not np.isin(verdicts, (0, 1)).all():
            raise Refusal("a verdict is 0 or 1")
        states = self._states(chosen)
        weights = np.zeros(states.shape[1])
        ridge = JUDGE_RIDGE * np.eye(len(weights))
        for _ in range(JUDGE_STEPS):
            p = 1 / (1 + np.exp(-np.clip(states @ weights, -30, 30)))
            curved = (states * (p * (1 - p) + 1e-4)[:, None]).T @ states + ridge
            weights += np.linalg.solve(curved, states.T @ (verdicts - p) - JUDGE_RIDGE * weights)
        self._judge = weights

    def judge_score(self, chosen: Tokens) -> NDArray[np.float64]:
        """How likely the judge takes samples to be right."""
        if self._judge is None:
            raise Refusal("there is no judge yet; judge_fit makes one")
        return 1 / (1 + np.exp(-np.clip(self._states(chosen) @ self._judge, -30, 30)))

    def update(self, chosen: Tokens, pull: model.Floats, rate: float) -> float:
        """One step of Adam that makes samples likelier, or less likely, under the bare prompt.

        Returns:
            Mean log p of the samples before it.
        """
        if not 0 < rate <= MAX_RATE:
            raise Refusal(f"a rate of {rate:g}; it is greater than 0 and at most {MAX_RATE:g}")
        if not 1 <= len(chosen) <= MAX_TRAINED_AT_ONCE:
            raise Refusal(
                f"{len(chosen)} samples in a step; 1 to {MAX_TRAINED_AT_ONCE} are allowed"
            )
        if np.abs(pull).max() > MAX_WEIGHT:
            raise Refusal(f"a weight of {np.abs(pull).max():g}; {MAX_WEIGHT:g} is the largest")
        answers, of = self._samples(chosen)
        self._spend(TRAINED_TOKEN * problems.BARE_LENGTH * len(chosen))
        rows = problems.bare_rows(of, answers)
        counts = np.zeros((len(rows), rows.shape[1] - 1), dtype=np.float32)
        is_said = answers != PAD
        counts[:, -problems.ANSWER :] = is_said * (pull / len(chosen))[:, None]
        gradients, log_p = model.gradient(self.weights, rows, MARK_AT, counts)
        self._adam.step(gradients, rate)
        return float((log_p[:, -problems.ANSWER :] * is_said).sum(axis=1).mean())

    def _count_problems(self, count: int) -> None:
        if not 1 <= count <= MAX_AT_ONCE:
            raise Refusal(f"{count} problems at once; 1 to {MAX_AT_ONCE} are allowed")
        if self._n_problems + count > MAX_PROBLEMS:
            raise Refusal(f"{MAX_PROBLEMS} problems were handed out; a run has no more")

    def _add(self, found: Problems) -> tuple[int, Problems]:
        first = self._n_problems
        self._problems.append(found)
        self._n_problems += len(found)
        return first, found

    def _all_problems(self) -> Problems:
        if len(self._problems) > 1:
            self._problems = [problems.joined(self._problems)]
        return self._problems[0]

    def _chosen_problems(self, chosen: Tokens) -> Problems:
        if not ((chosen >= 0) & (chosen < self._n_problems)).all():
            raise UnknownNumber("a problem is named that this run was never given")
        return self._all_problems().take(chosen)

    def _samples(self, chosen: Tokens) -> tuple[Tokens, Problems]:
        if len(chosen) == 0 or len(chosen) > MAX_AT_ONCE:
            raise Refusal(f"{len(chosen)} samples at once; 1 to {MAX_AT_ONCE} are allowed")
        if not ((chosen >= 0) & (chosen < self._answers.count)).all():
            raise UnknownNumber("a sample is named that the model never produced in this run")
        return self._answers.all()[chosen], self._all_problems().take(self._of.all()[chosen])

    def _prompts(
        self, known: Problems, chosen: Tokens, parents: Tokens | None
    ) -> tuple[Tokens, int]:
        """What the model reads before it answers, and the place of its first token."""
        if parents is None:
            return problems.bare_rows(known, known.answer)[:, : problems.PROMPT_LENGTH], MARK_AT
        earlier, of = self._samples(parents)
        if len(parents) != len(chosen) or (self._of.all()[parents] != chosen).any():
            raise Refusal("each parent is a sample of the problem that it stands for")
        named = parents.tolist()
        if not all(each in self._traced or self._verdicts.get(each) is False for each in named):
            raise Refusal("a parent is a sample with a trace, or with the verdict that it is wrong")
        is_traced = np.array([each in self._traced for each in named])[:, None]
        context = np.where(is_traced, problems.right_prefix(of, earlier), earlier)
        rows = problems.rows_with_context(context, "!", known, known.answer)
        rows[:, MARK_AT] = np.where(is_traced[:, 0], CODE["?"], CODE["!"])
        return rows[:, : problems.ANSWER_AT], 0

    def _states(self, chosen: Tokens) -> NDArray[np.float64]:
        """What a judge sees of samples: the model's state at their end, its mean over the answer, and a one."""
        answers, of = self._samples(chosen)
        self._spend(problems.BARE_LENGTH * len(chosen))
        states = model.hidden(self.weights, problems.bare_rows(of, answers), MARK_AT)
        said = states[:, -problems.ANSWER :]
        is_said = (answers != PAD)[:, :, None]
        last = np.maximum((answers != PAD).sum(axis=1) - 1, 0)
        mean = (said * is_said).sum(axis=1) / np.maximum(is_said.sum(axis=1), 1)
        ends = said[np.arange(len(said)), last]
        return np.hstack([ends, mean, np.ones((len(said), 1))]).astype(np.float64)


class UnknownNumber(Exception):
    """A number that stands for nothing; asking for it ends the run."""
