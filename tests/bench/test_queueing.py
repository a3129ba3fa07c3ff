"""The simulation of waiting requests, against what queueing theory says of them."""

from dataclasses import replace

import numpy as np
import pytest
from bench.plan_load import KINDS, arrivals
from bench.plan_sizes import kinds_of
from bench.queueing import QUEUE_SECONDS, Load, Loss, Machine, Rest, simulate

from tailrank.arrays import Doubles
from tailrank.server.app import LINE

N = 10_000
SERVICE = 1e-4
"""Seconds of work, on average: so short that no line takes as long as is refused for."""


def poisson(share: float, work: Doubles) -> Load:
    """Requests at random times that keep one worker busy for this share of its time."""
    return Load(np.cumsum(np.random.default_rng(1).exponential(SERVICE / share, len(work))), work)


def test_one_worker_with_random_work_waits_as_theory_says() -> None:
    # M/M/1: the time until the answer is exponential, with mean 1 / (service rate - arrival rate).
    load = poisson(0.6, np.random.default_rng(0).exponential(SERVICE, N))
    ms = simulate(Machine(1, 1), load).ms
    mean = 1e3 * SERVICE / (1 - 0.6)
    assert ms.mean() == pytest.approx(mean, rel=0.06)
    assert np.percentile(ms, 99) == pytest.approx(np.log(100) * mean, rel=0.12)


def test_one_worker_with_equal_work_waits_half_as_long() -> None:
    # M/D/1, by Pollaczek and Khinchine: half the waiting of M/M/1.
    ms = simulate(Machine(1, 1), poisson(0.6, np.full(N, SERVICE))).ms
    assert ms.mean() - 1e3 * SERVICE == pytest.approx(1e3 * SERVICE * 0.6 / (2 * (1 - 0.6)), rel=0.06)


@pytest.mark.parametrize(("workers", "cores"), [(1, 1), (4, 1), (4, 2), (2, 4)])
def test_a_machine_that_never_rests_answers_what_its_cores_can(workers: int, cores: int) -> None:
    load = Load(np.zeros(80), np.full(80, SERVICE))
    waited = simulate(Machine(workers, cores, slice=5 * SERVICE), load)
    assert waited.seconds == pytest.approx(80 * SERVICE / min(workers, cores))


def test_a_worker_that_rested_is_slower_once() -> None:
    # The first of two comes after a rest that triples its work, the second while the first is done.
    machine = Machine(1, 1, rest=Rest((0.0, 1.0), (1.0, 3.0)))
    waited = simulate(machine, Load(np.array([2.0, 2.0, 4.0]), np.full(3, SERVICE)))
    np.testing.assert_allclose(waited.ms, 1e3 * SERVICE * np.array([3, 4, 3]))


def test_a_client_on_the_same_cores_takes_its_share() -> None:
    load = Load(np.zeros(80), np.full(80, SERVICE))
    waited = simulate(Machine(1, 1, lines=80, client=SERVICE / 4), load)
    assert waited.seconds == pytest.approx(80 * 1.5 * SERVICE)


def test_who_waited_long_in_a_long_line_is_refused() -> None:
    # All come at once, each takes 1 ms. A few are begun at once, the others are a line.
    waited = simulate(Machine(1, 1, lines=100), Load(np.zeros(100), np.full(100, 1e-3)))
    first = int(waited.refused.argmax())
    assert LINE < first < LINE + 5
    assert waited.refused[first:].all()
    assert QUEUE_SECONDS < LINE * 1e-3


def test_no_more_requests_are_under_way_than_there_are_connections() -> None:
    waited = simulate(Machine(1, 1, lines=2), Load(np.zeros(100), np.full(100, 1e-3)))
    assert not waited.refused.any()
    np.testing.assert_allclose(waited.ms, np.arange(1, 101))


def test_what_a_lost_worker_had_is_answered_by_others_after_another_attempt() -> None:
    due = np.linspace(0, 1, 1000, endpoint=False)
    machine, load = Machine(4, 4), Load(due, np.full(1000, SERVICE))
    loss = Loss(workers=1, at=0.3, noticed=0.2, retry=0.05)
    calm, waited = simulate(machine, load), simulate(machine, load, loss)
    slow = waited.ms > 50
    assert not (calm.ms > 50).any()
    # A quarter of the requests of 200 ms, and all of them are answered soon after the second attempt.
    assert slow.sum() == pytest.approx(50, abs=5)
    assert due[slow].min() >= 0.3
    assert due[slow].max() < 0.5
    assert waited.ms.max() < 200


def test_a_worker_that_rests_has_to_wake_up() -> None:
    load = Load(np.arange(10.0), np.full(10, SERVICE))
    slept = simulate(replace(Machine(1, 1), wake=2e-3), load).ms
    np.testing.assert_allclose(slept, 2 + 1e3 * SERVICE)


def test_bursts_bring_so_many_times_as_many() -> None:
    due = arrivals(1_000, 10, np.random.default_rng(0), burst=3)
    in_burst = (due % 5) < 1
    assert (np.diff(due) >= 0).all()
    assert in_burst.sum() == pytest.approx(6_000, rel=0.05)
    assert (~in_burst).sum() == pytest.approx(8_000, rel=0.05)


def test_each_worker_remembers_whom_it_ranked_for() -> None:
    users, workers = np.array([7, 7, 7, 8, 7]), np.array([0, 0, 1, 0, 0])
    later = np.array([False, True, True, False, False])
    found = [KINDS[kind] for kind in kinds_of(users, workers, later, 2)]
    assert found == ["read anew", "after an event", "read anew", "read anew", "as before"]
