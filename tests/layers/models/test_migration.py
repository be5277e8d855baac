"""Gravity and radiation on flows of known exponents, balancing, splitting, and the response to jobs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.models.gravity import (
    doubly_constrained,
    fit_deterrence,
    fit_unconstrained,
    furness,
    off_diagonal,
)
from layers.models.migration import (
    Interval,
    common_part,
    fit,
    hold_out,
    split,
    split_interval,
    with_jobs,
    with_jobs_interval,
)
from layers.models.radiation import between, radiation
from twin.errors import BadInput


def country(seed: int, size: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    spots = np.stack(np.divmod(random.permutation(100)[:size], 10), 1) * 20.0 + random.uniform(0, 14, (size, 2))
    people = np.exp(random.normal(12.7, 0.5, size))
    return spots, people, np.hypot(*(spots[:, None] - spots[None, :]).transpose(2, 0, 1))


def gravity_flows(people: np.ndarray, km: np.ndarray, *, a: float, b: float, g: float, k: float) -> np.ndarray:
    flows = np.zeros_like(km)
    away = off_diagonal(len(people))
    flows[away] = (np.exp(k) * people[:, None] ** a * people[None, :] ** b)[away] * km[away] ** -g
    return flows


@given(seed=st.integers(0, 1000), g=st.floats(0.5, 2.5))
@settings(max_examples=6, deadline=None)
def test_the_exponent_of_flows_without_noise_is_recovered(seed: int, g: float):
    _, people, km = country(seed)
    departures = people * 0.05
    arrivals = departures * np.random.default_rng(seed).uniform(0.8, 1.2, len(people))
    arrivals *= departures.sum() / arrivals.sum()
    assert fit_deterrence(doubly_constrained(departures, arrivals, km, g), km).distance == pytest.approx(g, abs=1e-5)


def test_the_exponents_of_poisson_flows_lie_within_their_errors():
    misses = []
    for seed in range(12):
        _, people, km = country(seed)
        true = gravity_flows(people, km, a=0.9, b=0.7, g=1.4, k=-10.0)
        seen = np.random.default_rng(seed).poisson(true).astype(float)
        found = fit_unconstrained(seen, people, people, km)
        errors = np.sqrt(np.diag(found.covariance))[1:]
        misses.append((np.array([found.origin, found.destination, found.distance]) - [0.9, 0.7, 1.4]) / errors)
        falling = fit_deterrence(seen, km)
        assert abs(falling.distance - 1.4) < 5 * falling.error
    # Ninety per cent intervals hold the truth about nine times in ten.
    assert 0.75 < (np.abs(misses) < 1.645).mean() <= 1


def test_furness_meets_both_totals_and_keeps_the_odds():
    random = np.random.default_rng(4)
    weights = random.uniform(0.1, 1, (12, 12))
    rows, cols = random.uniform(10, 100, 12), random.uniform(10, 100, 12)
    cols *= rows.sum() / cols.sum()
    flows = furness(weights, rows, cols)
    assert np.allclose(flows.sum(1), rows)
    assert np.allclose(flows.sum(0), cols)
    odds = flows[2, 3] * flows[5, 7] / (flows[2, 7] * flows[5, 3])
    assert odds == pytest.approx(weights[2, 3] * weights[5, 7] / (weights[2, 7] * weights[5, 3]))


@pytest.mark.parametrize(
    ("weights", "rows", "cols", "words"),
    [
        (np.ones((2, 2)), [1.0, 2.0], [5.0, 1.0], "people leave"),
        (np.array([[0.0, 0.0], [1.0, 1.0]]), [1.0, 2.0], [1.0, 2.0], "no way"),
        (np.ones((2, 2)), [-1.0, 2.0], [0.5, 0.5], "negative"),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), [1.0, 2.0], [1.0, 2.0], "do not balance"),
    ],
)
def test_totals_that_cannot_be_met_are_refused(weights: np.ndarray, rows: list, cols: list, words: str):
    with pytest.raises(BadInput, match=words):
        furness(weights, np.array(rows), np.array(cols))


def test_places_in_one_spot_and_places_without_people_are_refused():
    km = np.array([[0.0, 0.0], [0.0, 0.0]])
    with pytest.raises(BadInput, match="no distance"):
        doubly_constrained(np.ones(2), np.ones(2), km, 1.0)
    with pytest.raises(BadInput, match="without people"):
        fit_unconstrained(np.ones((3, 3)), np.array([1.0, 0, 1]), np.ones(3), 1 - np.eye(3))


def test_radiation_on_a_line_is_what_the_formula_gives_by_hand():
    people = np.array([100.0, 50.0, 200.0])
    km = np.abs(np.subtract.outer([0.0, 10.0, 30.0], [0.0, 10.0, 30.0]))
    assert between(people, km).tolist() == [[0, 0, 50], [0, 0, 100], [50, 0, 0]]
    flows = radiation(people, np.array([70.0, 0, 0]), km)
    finite = 1 / (1 - 100 / 350)
    assert flows[0, 1] == pytest.approx(70 * finite * 100 * 50 / (100 * 150))
    assert flows[0, 2] == pytest.approx(70 * finite * 100 * 200 / (150 * 350))
    # In a finite country everyone who leaves arrives.
    assert flows[0].sum() == pytest.approx(70)


def test_radiation_of_a_random_country_sends_everybody_somewhere():
    _, people, km = country(2)
    flows = radiation(people, people * 0.1, km)
    assert np.allclose(flows.sum(1), people * 0.1)
    assert not np.diag(flows).any()


def test_the_common_part_of_flows_with_themselves_is_all_and_of_disjoint_ones_nothing():
    one = np.array([[0, 3.0], [1.0, 0]])
    assert common_part(one, one) == 1
    assert common_part(np.array([[0, 3.0], [0, 0]]), np.array([[0, 0], [1.0, 0]])) == 0
    assert common_part(one, 2 * one) == pytest.approx(2 / 3)


def test_each_model_is_best_on_its_own_flows_and_held_out_pairs_are_predicted():
    _, people, km = country(7)
    of_gravity = fit(gravity_flows(people, km, a=1, b=1, g=1.5, k=-14.0), people, km)
    assert of_gravity.cpc["gravity"] > 0.999
    assert of_gravity.hold_out > 0.999
    assert of_gravity.cpc["radiation"] < 0.9
    of_radiation = fit(radiation(people, people * 0.05, km), people, km)
    assert of_radiation.cpc["radiation"] == pytest.approx(1)
    assert of_radiation.cpc["gravity"] < 0.9


def test_flows_of_chance_are_not_predicted_on_held_out_pairs():
    _, people, km = country(8)
    noise = np.random.default_rng(8).lognormal(5, 2.0, km.shape)
    assert hold_out(noise, people, km) < 0.6


def test_split_flows_sum_to_the_units_and_come_near_the_truth():
    spots, people, km = country(11)
    true = np.random.default_rng(1).poisson(gravity_flows(people, km, a=1, b=1, g=1.2, k=-15.0)).astype(float)
    centres = spots[:10]
    to_units = np.hypot(*(spots[:, None] - centres[None, :]).transpose(2, 0, 1))
    unit_of = to_units.argmin(1)
    member = np.eye(10)[unit_of]
    coarse = member.T @ true @ member
    unit_people = member.T @ people
    unit_spots = (member.T @ (spots * people[:, None])) / unit_people[:, None]
    unit_km = np.hypot(*(unit_spots[:, None] - unit_spots[None, :]).transpose(2, 0, 1))
    fitted = fit(coarse, unit_people, unit_km)
    parts = split(coarse, unit_of, people, km, fitted.exponents)
    across = off_diagonal(10)
    assert np.allclose((member.T @ parts @ member)[across], coarse[across])
    outside = unit_of[:, None] != unit_of[None, :]
    assert common_part(parts * outside, true * outside) > 0.85
    held = split_interval(coarse, people, km, np.maximum(to_units, 1.0), fitted, seed=5, draws=60)
    inside = ((true >= held.low) & (true <= held.high))[outside & (true > 10)].mean()
    assert inside > 0.7


def test_jobs_added_in_a_district_bring_people_there_and_take_them_from_others():
    _, people, km = country(3)
    flows = doubly_constrained(people * 0.05, people * 0.05, km, 1.5)
    jobs, added = people * 0.4, np.zeros(30)
    added[4] = jobs[4] * 0.5
    shifted = with_jobs(flows, jobs, added, km, 1.5)
    assert np.allclose(shifted.sum(1), flows.sum(1))
    assert shifted.sum() == pytest.approx(flows.sum())
    assert shifted[:, 4].sum() > 1.4 * flows[:, 4].sum()
    assert (np.delete(shifted.sum(0), 4) < np.delete(flows.sum(0), 4)).all()
    # Without a deviation from the model, it is the doubly constrained model of the new totals.
    arrivals = flows.sum(0) * ((jobs + added) / jobs)
    arrivals *= flows.sum() / arrivals.sum()
    assert np.allclose(shifted, doubly_constrained(flows.sum(1), arrivals, km, 1.5), rtol=1e-4, atol=1e-3)


def test_no_jobs_added_change_nothing():
    _, people, km = country(3, 8)
    flows = np.random.default_rng(0).uniform(1, 9, km.shape) * off_diagonal(8)
    assert np.allclose(with_jobs(flows, people, np.zeros(8), km, 1.5), flows)


def test_more_jobs_gone_than_there_are_is_refused():
    _, people, km = country(3, 8)
    with pytest.raises(BadInput, match="fewer than no jobs"):
        with_jobs(km, people, -2 * people, km, 1.5)


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others():
    _, people, km = country(6, 10)
    flows = gravity_flows(people, km, a=1, b=1, g=1.5, k=-14.0)
    still = Interval(flows, flows * 0.8, flows * 1.2)
    falling = fit_deterrence(flows, km)
    added = np.zeros(10)
    added[2] = people[2]
    one, two, other = (with_jobs_interval(still, people, added, km, falling, seed=seed, draws=40) for seed in (1, 1, 2))
    assert one.low.tobytes() == two.low.tobytes()
    assert one.high.tobytes() == two.high.tobytes()
    assert one.low.tobytes() != other.low.tobytes()
    assert (one.low <= one.value).all()
    assert (one.value <= one.high).all()
