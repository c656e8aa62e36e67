"""The generated language: the same from the same seed, alike from others, and worth looking back in."""

import time

import numpy as np
import pytest

SIZES = {"nouns": 96, "verbs": 48, "adjectives": 48}


def rng(seed):
    return np.random.Generator(np.random.PCG64(seed))


def text_of(harness, seed, size=40_000, **sizes):
    language = harness.language.make_language(rng(seed), **{**SIZES, **sizes})
    return harness.corpus.write_text(language, rng(seed + 1000), size=size)


def test_the_same_seed_gives_the_same_text(harness):
    assert text_of(harness, 3).content == text_of(harness, 3).content


def test_another_seed_shares_almost_no_words(harness):
    first, second = (
        {word for word in text_of(harness, seed).content.split() if len(word) > 3}
        for seed in (3, 4)
    )
    assert len(first & second) < 0.02 * len(first)


def test_a_text_is_plain_ascii_of_the_asked_length(harness):
    content = text_of(harness, 5, size=12_345).content
    assert len(content) == 12_345
    assert max(content) < harness.family.VOCABULARY
    assert 0 not in content  # zero stands for "before the window" in hashed n-grams


def test_a_text_of_no_bytes_is_refused(harness):
    with pytest.raises(ValueError, match="positive"):
        text_of(harness, 5, size=0)


def test_entropy_is_alike_over_seeds(harness):
    bounds = [text_of(harness, seed, size=60_000).bits_per_byte for seed in range(8)]
    assert np.std(bounds, ddof=1) < 0.02 * np.mean(bounds)


def test_brackets_close_in_order_in_every_sentence(harness):
    pairs = {b")": b"(", b"]": b"[", b"}": b"{"}
    for sentence in text_of(harness, 6).content.split(b" . ")[:-1]:
        open_now = []
        for word in sentence.split():
            if word in pairs.values():
                open_now.append(word)
            elif word in pairs:
                assert open_now.pop() == pairs[word]
        assert not open_now


def test_people_come_from_the_heading_of_their_document(harness):
    for document in text_of(harness, 7).content.split(b"\n")[1:-1]:
        heading, *sentences = document.split(b" . ")
        cast = set(heading.split()[1:])
        names = {word for s in sentences for word in s.split() if word[:1].isupper()}
        assert names <= cast


def test_counting_stays_far_above_the_entropy(harness):
    train, test = text_of(harness, 8, size=100_000), text_of(harness, 8, size=110_000)
    held_out = test.content[100_000:]
    best = min(harness.ngram.ngram_bits_per_byte(train.content, held_out, max_order=7))
    assert best > test.bits_per_byte + 0.4


def test_the_ngram_yardstick_agrees_with_a_count_by_hand(harness):
    # "ab" repeated: after a always b. Order 2, Witten-Bell: (n + d * p1) / (n + d).
    train, test = b"ab" * 50, b"abababab"
    order_1, order_2 = harness.ngram.ngram_bits_per_byte(train, test, max_order=2)
    unigram = (50 + 2 / 128) / 102
    after_a, after_b = (50 + unigram) / 51, (49 + unigram) / 50
    asked = [after_a if letter == "b" else after_b for letter in "bababab"]
    assert order_1 == pytest.approx(-np.log2(unigram))
    assert order_2 == pytest.approx(-np.log2(asked).mean())


def test_the_demo_text_is_made_in_well_under_a_second(harness, lm_task):
    settings = lm_task.profiles["demo"].settings
    sizes = {key: settings[key] for key in SIZES}
    started = time.process_time()
    text_of(harness, 9, size=settings["train_bytes"], **sizes)
    assert time.process_time() - started < 0.6
