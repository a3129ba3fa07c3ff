"""The study of rephrased reasons: what it spoils on purpose is noticed, and what it rewords truly is not."""

import numpy as np
from bench.reasons import kind, spoilt

SENTENCES = (
    "because it is chosen soon after “[A]”, and users of “[B]” choose it too",
    "because it reads like “[A]”, but it was chosen seldom lately",
    "“[A]” is above “[B]” because it shares more words with “[C]”, and it was chosen more often lately",
)


def test_false_variants_are_refused_and_true_ones_pass() -> None:
    found = spoilt(SENTENCES, np.random.default_rng(0))
    assert found["false"]["variants"] > found["true"]["variants"] > 2 * len(SENTENCES)
    assert found["false"]["let through"] == 0
    assert found["true"]["let through"] == found["true"]["variants"]
    assert found["wrong"] == []


def test_refusals_are_counted_without_the_word_that_they_are_about() -> None:
    assert kind("it says `great`") == kind("it says `free\nshipping`") == "it says …"
