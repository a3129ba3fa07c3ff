"""Click rates: ADWIN says when one is no longer what it was."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

from tailrank.errors import needs
from tailrank.feedback.alerts import Alert, Alerts

CONFIDENCE: Final = 0.002
"""Chance of a false alarm that ADWIN allows itself at each check; its bound is loose, so there are fewer."""


class ClickRates:
    """Watches click rates, one for each subject, for changes that chance doesn't explain.

    ADWIN (Bifet and Gavaldà, SDM, 2007) keeps as many of the latest outcomes as have one mean.

    Parameters
    ----------
    alerts
        Where a change is opened, and closed when the rate has come back more than half of the way.

    Raises
    ------
    RequestError
        If river isn't installed.
    """

    kind: Final = "click rate"

    def __init__(self, alerts: Alerts) -> None:
        with needs("watching click rates", "feedback"):
            if find_spec("river") is None:
                raise ModuleNotFoundError(name="river")
        self._alerts = alerts
        self._rates: dict[str, Any] = {}
        self._changed: dict[str, Alert] = {}

    def update(self, subject: str, clicked: bool, at: float) -> Alert | None:
        """Take what became of one item that was shown.

        Parameters
        ----------
        subject
            What the rate is of, such as a count bucket.
        clicked
            Whether it was clicked.
        at
            When, in seconds since 1970.

        Returns
        -------
        Alert | None
            What changed just now.
        """
        rate = self._rates.get(subject)
        if rate is None:
            # Not before there is a rate: it loads SciPy, and scikit-learn if that is installed.
            from river.drift import ADWIN

            rate = self._rates[subject] = ADWIN(delta=CONFIDENCE)  # type: ignore[no-untyped-call]
        before = rate.estimation
        rate.update(clicked)
        earlier = self._changed.get(subject)
        if earlier is not None and _is_back(earlier, rate.estimation):
            self._alerts.close(self.kind, subject, at)
            del self._changed[subject]
        elif rate.drift_detected:
            return self._changed_to(
                rate.estimation, before if earlier is None else earlier.expected, subject, at
            )
        return None

    def _changed_to(self, seen: float, expected: float, subject: str, at: float) -> Alert:
        fell = "Compare the model with the one before, and look at what is shown."
        rose = "If nothing was launched, look for programs: tailrank anomalies."
        alert = Alert(self.kind, subject, at, seen, expected, fell if seen < expected else rose)
        self._alerts.open(alert)
        self._changed[subject] = alert
        return alert


def _is_back(alert: Alert, rate: float) -> bool:
    """Whether a rate has come back more than half of the way."""
    return abs(rate - alert.expected) < abs(alert.seen - alert.expected) / 2
