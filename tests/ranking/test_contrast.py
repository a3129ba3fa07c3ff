"""Why one item is above another adds up to the difference of their scores, and is said in true words."""

import pytest

from tailrank.errors import RequestError
from tailrank.policy.tail import TailBoost
from tailrank.ranking.contrast import Contrast
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.reasons import why_above
from tailrank.ranking.reranker import Reranker

FILMS = ["50", "181", "100", "1682", "742", "1", "172"]
HISTORY = ["172", "174", "210", "172"]


@pytest.mark.parametrize("candidates", [FILMS, ["?", *FILMS]], ids=["known", "one unknown"])
def test_parts_add_up_to_the_difference_of_the_scores(reranker: Reranker, candidates: list[str]) -> None:
    found = reranker.explain(HISTORY, candidates, policy=(TailBoost(0.4),))
    for at, upper in enumerate(found):
        for lower in found[at:]:
            contrast = Contrast(upper, lower)
            lifts = [reason.lift for reason in contrast.reasons]
            assert sum(lifts) == pytest.approx(upper.score - lower.score, abs=1e-9)
            assert lifts == sorted(lifts, reverse=True)
            assert {each.name for each in contrast.reasons} == set(upper.contributions) - {"list mean"}


def test_the_event_behind_a_part_is_the_one_that_sets_the_two_apart_most(reranker: Reranker) -> None:
    first, *_, last = reranker.explain(["172", "1682"], FILMS)
    [reason] = [each for each in Contrast(first, last).reasons if each.name == "semantic"]
    apart = [a - b for a, b in zip(first.by_event["semantic"], last.by_event["semantic"], strict=True)]
    assert reason.lift == pytest.approx(sum(apart))
    chosen = max(apart) if reason.lift > 0 else min(apart)
    assert reason.event == ("172", "1682")[apart.index(chosen)]


def test_only_two_items_of_one_list_can_be_compared_and_the_higher_comes_first(reranker: Reranker) -> None:
    first, *_, last = reranker.explain(HISTORY, FILMS)
    with pytest.raises(RequestError, match=f"'{last.item_id}' is below '{first.item_id}'"):
        Contrast(last, first)
    other = reranker.explain(HISTORY[:1], FILMS)[-1]
    with pytest.raises(RequestError, match="one call of `explain`"):
        Contrast(first, other)


def items(above: dict[str, float], below: dict[str, float], **leanings: float) -> Contrast:
    """Two items with one event each; the upper one leans by so much more to signals."""
    upper, lower = (
        Explanation(
            name,
            1 + sum(parts.values()),
            {"list mean": 1.0, **parts},
            {},
            ("tea",),
            (),
            dict.fromkeys(parts, 0.0),
        )
        for name, parts in (("pot", above), ("jar", below))
    )
    upper.leanings.update(leanings)
    return Contrast(upper, lower)


def test_the_sentence_compares_in_both_languages() -> None:
    two = items({"popularity": 0.5, "sequence": 0.0}, {"popularity": -0.1, "sequence": 0.2}, popularity=1.0)
    assert why_above(two, {"pot": "Tea pot"}) == (
        "“Tea pot” is above “jar” because it was chosen more often lately, "
        "but the sequence model rather expects the other next"
    )
    assert why_above(two, {"pot": "茶壶", "jar": "罐子"}, "zh") == (
        "“茶壶”排在“罐子”之前，因为它近来被选得更多，但序列模型更看好后者"
    )


def test_what_counts_against_the_grain_is_only_named_and_equals_are_called_so() -> None:
    assert why_above(items({"popularity": 0.5}, {"popularity": 0.0}, popularity=-3.0), {}) == (
        "“pot” is above “jar” because how often it was chosen lately speaks for it"
    )
    assert why_above(items({"popularity": 0.0}, {"popularity": 0.0}), {}) == (
        "nothing sets “pot” and “jar” apart"
    )
