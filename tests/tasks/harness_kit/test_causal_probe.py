"""Three models that look ahead are caught; five honest architectures pass; other forgeries are seen."""

from collections.abc import Callable

import numpy as np
import pytest

from rsi.tasks.harness_kit.causal_probe import Predict, is_normalised, probe_causality

VOCABULARY, WIDTH, TIME = 17, 12, 72


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    top = logits.max(-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))


class Parts:
    """Random weights shared by all models of a test."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.embed = rng.normal(size=(VOCABULARY, WIDTH))
        self.head = rng.normal(size=(WIDTH, VOCABULARY))
        self.mix = rng.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH)
        self.query = rng.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH)
        self.filter = rng.normal(size=5)
        self.experts = rng.normal(size=(3, WIDTH, WIDTH)) / np.sqrt(WIDTH)
        self.router = rng.normal(size=(WIDTH, 3))
        self.bigram = rng.normal(size=(VOCABULARY, VOCABULARY, VOCABULARY))


PARTS = Parts()


def _out(hidden: np.ndarray) -> np.ndarray:
    return _log_softmax(np.tanh(hidden) @ PARTS.head)


# --- honest --------------------------------------------------------------------------------


def attention(tokens: np.ndarray) -> np.ndarray:
    x = PARTS.embed[tokens]
    scores = (x @ PARTS.query) @ x.transpose(0, 2, 1)
    scores = np.where(np.tril(np.ones(scores.shape[1:])) > 0, scores, -np.inf)
    return _out(x + np.exp(_log_softmax(scores)) @ (x @ PARTS.mix))


def convolution(tokens: np.ndarray) -> np.ndarray:
    x = PARTS.embed[tokens]
    padded = np.pad(x, ((0, 0), (len(PARTS.filter) - 1, 0), (0, 0)))
    return _out(sum(w * padded[:, i : i + x.shape[1]] for i, w in enumerate(PARTS.filter)))


def state_space(tokens: np.ndarray) -> np.ndarray:
    x = PARTS.embed[tokens]
    state = np.zeros_like(x[:, 0])
    states = []
    for step in range(x.shape[1]):
        state = 0.9 * state + x[:, step] @ PARTS.mix
        states.append(state)
    return _out(np.stack(states, axis=1))


def n_gram(tokens: np.ndarray) -> np.ndarray:
    before = np.pad(tokens, ((0, 0), (1, 0)))[:, :-1]
    return _log_softmax(PARTS.bigram[before, tokens])


def mixture(tokens: np.ndarray) -> np.ndarray:
    x = PARTS.embed[tokens]
    chosen = (x @ PARTS.router).argmax(-1)
    return _out(np.einsum("btw,btwv->btv", x, PARTS.experts[chosen]))


# --- leaking -------------------------------------------------------------------------------


def block_summary(tokens: np.ndarray, block: int = 8) -> np.ndarray:
    x = PARTS.embed[tokens]
    blocks = x.reshape(len(x), -1, block, WIDTH).mean(axis=2)
    return _out(x + np.repeat(blocks, block, axis=1))


def chunk_recurrence(tokens: np.ndarray, chunk: int = 12) -> np.ndarray:
    x = PARTS.embed[tokens]
    state, states = np.zeros((len(x), WIDTH)), []
    for start in range(0, x.shape[1], chunk):
        part = x[:, start : start + chunk]
        state = 0.5 * state + part.mean(axis=1) @ PARTS.mix
        states.append(part + state[:, None])
    return _out(np.concatenate(states, axis=1))


def spectral_filter(tokens: np.ndarray) -> np.ndarray:
    x = PARTS.embed[tokens]
    response = np.exp(-np.abs(np.fft.fftfreq(x.shape[1])) * 20)[None, :, None]
    return _out(x + np.fft.ifft(np.fft.fft(x, axis=1) * response, axis=1).real)


def faint_leak(tokens: np.ndarray) -> np.ndarray:
    """One bit of the next token, well under one percent of a logit."""
    ahead = np.roll(tokens, -1, axis=1)
    return _log_softmax(n_gram(tokens) + 0.005 * np.eye(VOCABULARY)[ahead])


@pytest.fixture(scope="module")
def texts() -> np.ndarray:
    return np.random.default_rng(0).integers(0, VOCABULARY, size=(3, TIME))


@pytest.mark.parametrize("model", [attention, convolution, state_space, n_gram, mixture])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_honest_architectures_pass(model: Predict, seed: int, texts: np.ndarray) -> None:
    report = probe_causality(model, texts, vocabulary=VOCABULARY, seed=seed)
    assert report.is_clean, report


@pytest.mark.parametrize("model", [block_summary, chunk_recurrence, spectral_filter, faint_leak])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_models_that_look_ahead_are_caught(model: Predict, seed: int, texts: np.ndarray) -> None:
    report = probe_causality(model, texts, vocabulary=VOCABULARY, seed=seed)
    assert not report.is_causal
    assert all(leak.position < leak.prefix for leak in report.leaks)


def test_single_precision_is_no_leak(texts: np.ndarray) -> None:
    report = probe_causality(
        lambda tokens: attention(tokens).astype(np.float32), texts, vocabulary=VOCABULARY, seed=1
    )
    assert report.is_clean


def test_a_model_that_remembers_is_not_repeatable(texts: np.ndarray) -> None:
    seen: list[int] = []

    def remembering(tokens: np.ndarray) -> np.ndarray:
        seen.append(1)
        return _log_softmax(n_gram(tokens) * (1 + 0.1 * len(seen)))

    assert not probe_causality(remembering, texts, vocabulary=VOCABULARY, seed=1).is_repeatable


def test_a_model_that_mixes_rows_is_not_batch_independent(texts: np.ndarray) -> None:
    def mixing(tokens: np.ndarray) -> np.ndarray:
        x = PARTS.embed[tokens]
        return _out(x + x.mean(axis=0, keepdims=True))

    report = probe_causality(mixing, texts, vocabulary=VOCABULARY, seed=1)
    assert not report.is_batch_independent
    assert not report.is_clean


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p + 0.5,
        lambda p: np.where(np.arange(VOCABULARY) == 0, np.nan, p),
        lambda p: np.zeros_like(p),
    ],
)
def test_probabilities_that_do_not_sum_to_one_are_seen(
    spoil: Callable[[np.ndarray], np.ndarray], texts: np.ndarray
) -> None:
    assert not is_normalised(spoil(n_gram(texts)))
    report = probe_causality(lambda t: spoil(n_gram(t)), texts, vocabulary=VOCABULARY, seed=1)
    assert not report.is_clean


def test_probabilities_of_zero_are_allowed() -> None:
    with np.errstate(divide="ignore"):
        assert is_normalised(np.log(np.array([[0.5, 0.5, 0.0]])))


def test_wrong_shapes_are_refused(texts: np.ndarray) -> None:
    with pytest.raises(ValueError, match="shape"):
        probe_causality(lambda t: n_gram(t)[:, :-1], texts, vocabulary=VOCABULARY, seed=1)
    with pytest.raises(ValueError, match="at least 2 rows"):
        probe_causality(n_gram, texts[:1], vocabulary=VOCABULARY, seed=1)


def test_the_probe_needs_nothing_of_rsi() -> None:
    import ast
    from pathlib import Path

    from rsi.tasks.harness_kit import causal_probe

    tree = ast.parse(Path(causal_probe.__file__).read_text())
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert not any(str(name).startswith("rsi") for name in imported)
