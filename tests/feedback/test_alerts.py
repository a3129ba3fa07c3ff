"""Alerts: opened once, closed once, told in a sentence."""

import json
from dataclasses import replace

from tailrank.feedback.alerts import Alert, Alerts

FALL = Alert("click rate", "cold items", 1_700_000_000.0, 0.02, 0.1, "Compare the models.")


def test_an_alert_is_opened_once_and_keeps_when_it_began() -> None:
    alerts = Alerts()
    assert alerts.open(FALL)
    assert not alerts.open(replace(FALL, since=FALL.since + 60, seen=0.01))
    assert alerts.opened == [replace(FALL, seen=0.01)]


def test_the_oldest_comes_first_and_other_subjects_are_other_alerts() -> None:
    alerts, earlier = Alerts(), replace(FALL, subject="all", since=1.0)
    alerts.open(FALL)
    alerts.open(earlier)
    assert alerts.opened == [earlier, FALL]


def test_closed_alerts_say_when_they_ended_and_only_the_latest_are_kept() -> None:
    alerts = Alerts(latest=2)
    for n in range(3):
        alerts.open(replace(FALL, since=float(n)))
        assert alerts.close(FALL.kind, FALL.subject, n + 0.5)
    assert not alerts.close(FALL.kind, FALL.subject, 9.0)
    assert alerts.opened == []
    assert [(alert.since, alert.until) for alert in alerts.closed] == [(2.0, 2.5), (1.0, 1.5)]


def test_an_alert_is_a_sentence_and_json() -> None:
    over = replace(FALL, until=FALL.since + 7200)
    assert str(over).startswith(
        "click rate of cold items: 0.02 from 2023-11-14 22:13 to 2023-11-15 00:13 UTC"
    )
    told = json.loads(json.dumps(over.as_dict()))
    assert told["message"] == str(over)
    assert Alert(**{name: value for name, value in told.items() if name != "message"}) == over
