"""What another policy would have earned on a log, by every estimator that the log has the columns for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tailrank.data.columns import Columns
from tailrank.data.policy_log import PREDICTIONS, PolicyLog
from tailrank.errors import RequestError
from tailrank.metrics.estimate import Estimate
from tailrank.metrics.off_policy import doubly_robust, ips, on_policy, snips
from tailrank.metrics.off_policy_slates import cascade_doubly_robust, reward_interaction_ips, slate_ips

_CHANCES: Final = (Columns.PROPENSITY, Columns.TARGET)
_NEXT: Final = (Columns.NEXT_PROPENSITY, Columns.NEXT_TARGET)
_ITEM: Final = "item and position"
_ABOVE: Final = "item and those above"


@dataclass(frozen=True)
class Estimator:
    """One way to estimate a value.

    Attributes
    ----------
    name
        For tables.
    call
        Takes rewards, the columns, and users.
    columns
        What it needs, in the order in which `call` takes them.
    assumes
        What a reward may depend on, if the estimate is to be unbiased.
    """

    name: str
    call: Callable[..., Estimate]
    columns: tuple[str, ...]
    assumes: str


OF_CHOICES: Final = (
    Estimator("ips", ips, _CHANCES, "the choice"),
    Estimator("snips", snips, _CHANCES, "the choice"),
    Estimator("dr", doubly_robust, (*_CHANCES, *PREDICTIONS), "the choice"),
)
OF_RANKINGS: Final = (
    Estimator("item-position ips", ips, _CHANCES, _ITEM),
    Estimator("item-position snips", snips, _CHANCES, _ITEM),
    Estimator("reward-interaction ips", reward_interaction_ips, _NEXT, _ABOVE),
    Estimator("cascade-dr", cascade_doubly_robust, (*_NEXT, *PREDICTIONS), _ABOVE),
    Estimator("slate ips", slate_ips, _NEXT, "the whole ranking"),
)


@dataclass(frozen=True)
class Finding:
    """What one estimator found.

    Attributes
    ----------
    estimator
        Which.
    value
        What the target would have earned; None if the log doesn't allow to say.
    gain
        That minus what the log earned; None as well.
    refused
        Why it doesn't allow to say, and the remedy; None if it does.
    """

    estimator: Estimator
    value: Estimate | None
    gain: Estimate | None
    refused: str | None


def policy_values(log: PolicyLog) -> tuple[Estimate, list[Finding]]:
    """Estimate what the target of a log would have earned.

    Returns
    -------
    tuple[Estimate, list[Finding]]
        What the log earned itself, and what each estimator found that the log has the columns for.

    Raises
    ------
    RequestError
        If nothing can be estimated.
    """
    logged = on_policy(log.rewards, users=log.users)
    chosen = OF_RANKINGS if log.ranked else OF_CHOICES
    found = [_found(each, log, logged) for each in chosen if log.numbers.keys() >= set(each.columns)]
    if all(each.value is None for each in found):
        raise RequestError(found[0].refused)
    return logged, found


def _found(estimator: Estimator, log: PolicyLog, logged: Estimate) -> Finding:
    try:
        value = estimator.call(log.rewards, *map(log.numbers.__getitem__, estimator.columns), users=log.users)
    except RequestError as why:
        return Finding(estimator, None, None, str(why))
    return Finding(estimator, value, value.minus(logged), None)
