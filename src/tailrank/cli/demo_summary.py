"""What a demo found: what the language model brings, how much tail is shown, and what more of it costs."""

from __future__ import annotations

from typing import Final

from tailrank.evaluation.results import Comparison, Evaluation, TradeoffPoint

AFFORDABLE: Final = 0.99
"""Share of ndcg@10 that is kept while the tail policy gets stronger."""


def in_short(found: Evaluation) -> list[str]:
    """Say what tailrank is worth against the same without the language model, wins and losses alike."""
    ground = found.lead
    gains = [each for each in ground.comparisons if each.b == "without-lm"]
    shares = ", ".join(f"{name} {metrics['aplt@10'] or 0:.1%}" for name, metrics in ground.models.items())
    return [
        f"The language model: {'; '.join(map(_gain, gains))}.",
        f"Share of tail items in the first ten: {shares}.",
        _price(ground.tradeoff),
    ]


def _gain(one: Comparison) -> str:
    where = "for items of the tail" if one.metric.endswith("tail80") else "for all items"
    low, high = one.ci95
    doubt = ", which may be chance" if one.may_be_chance else ""
    return f"{one.difference:+.4f} ndcg@10 {where} ({low:+.4f} to {high:+.4f}{doubt})"


def _price(tradeoff: list[TradeoffPoint]) -> str:
    """Find the tail policy that shows the most tail for 1% of the ndcg."""
    none, *_ = tradeoff
    before = none.metrics["ndcg@10"] or 0
    best = max(
        (point for point in tradeoff if (point.metrics["ndcg@10"] or 0) >= AFFORDABLE * before),
        key=lambda point: point.metrics["aplt@10"] or 0,
    )
    after, share = best.metrics["ndcg@10"] or 0, best.metrics["aplt@10"] or 0
    return (
        f"The most tail for at most 1% of ndcg@10: tail policy at {best.strength:g}, share "
        f"{none.metrics['aplt@10'] or 0:.1%} → {share:.1%}, ndcg@10 {before:.4f} → {after:.4f}."
    )
