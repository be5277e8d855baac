"""Growth, cohorts and the sharing out of people, against closed forms and known truths."""

from __future__ import annotations

import numpy as np
import pytest

from layers.models.population import Rates, cohorts, dasymetric, leslie, logistic, project, whole_persons
from twin.errors import BadInput

YEARS = np.array([2022, 2032, 2052])


def test_the_logistic_curve_solves_its_equation() -> None:
    people, rate, capacity = np.array([10.0, 500.0, 2000.0]), np.array(0.03), np.array(1000.0)
    step = 1e-4
    for year in (0.0, 10.0, 60.0):
        now = logistic(people, rate, capacity, np.array(year))
        slope = (logistic(people, rate, capacity, np.array(year + step)) - now) / step
        assert slope == pytest.approx(0.03 * now * (1 - now / 1000), rel=1e-4)
    assert logistic(people, rate, capacity, np.array(2000.0)) == pytest.approx(1000)
    assert logistic(people, rate, np.array(np.inf), np.array(10.0)) == pytest.approx(people * np.exp(0.3))
    assert logistic(np.array(0.0), rate, np.array(0.0), np.array(5.0)) == 0


def test_growth_at_the_census_rate_recovers_the_later_census() -> None:
    found = project(np.array([10_515_973.0]), years=np.array([2022]), base_year=2012)
    assert found.mean[0, 0] == pytest.approx(13_246_394, rel=1e-4)


def test_the_interval_is_that_of_the_drawn_growth() -> None:
    found = project(np.array([1000.0]), growth=0.02, growth_se=0.005, years=YEARS, draws=40_000)
    expected = 1000 * np.exp(30 * (0.02 + 0.005 * 1.6449 * np.array([-1, 1])))
    assert [found.low[2, 0], found.high[2, 0]] == pytest.approx(expected, rel=0.01)
    assert found.low[0, 0] == found.high[0, 0] == 1000


def test_a_known_growth_lies_in_nine_of_ten_intervals() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for number in range(300):
        truth = logistic(np.array([100.0]), random.normal(0.02, 0.006, 1), np.array(400.0), np.array(30.0))
        found = project(
            np.array([100.0]), growth=0.02, growth_se=0.006, capacity=400.0, years=YEARS, draws=400, seed=number
        )
        hits += bool(found.low[2, 0] <= truth[0] <= found.high[2, 0])
    assert 0.85 < hits / 300 < 0.95


def test_the_same_seed_gives_the_same_bytes_and_nobody_exceeds_the_capacity() -> None:
    people = np.array([10.0, 900.0, 0.0])
    one, other = (project(people, capacity=1000.0, years=YEARS, seed=5, shared=0.3) for _ in range(2))
    assert one.low.tobytes() == other.low.tobytes()
    assert one.high.max() <= 1000
    assert (one.mean[:, 2] == 0).all()


def _stationary() -> tuple[Rates, np.ndarray, np.ndarray]:
    """Four groups; each woman has the daughters that replace her, so numbers by age stay as they are."""
    survival = np.array([0.9, 0.8, 0.7, 0.0])
    women = 1000 * np.cumprod([1.0, 0.9, 0.8, 0.7])
    fertility = np.array([0.0, 1.0, 0.0, 0.0])
    births = leslie(Rates(fertility, survival, survival, 1.0, 1.0, 1.0))[0] @ women
    return Rates(fertility * 1000 / births, survival, survival, 1.0, 1.0, 1.0), women, women


def test_cohorts_stay_as_they_are_where_births_replace_deaths() -> None:
    rates, women, men = _stationary()
    f, m = cohorts(women, men, rates, steps=6)
    assert f[-1] == pytest.approx(women)
    assert m[-1] == pytest.approx(men)


def test_cohorts_grow_by_the_largest_eigenvalue_in_the_end() -> None:
    rates, women, men = _stationary()
    double = Rates(rates.fertility * 2, rates.survival_women, rates.survival_men, 1.0, 1.0, 1.0)
    f, _ = cohorts(women, men, double, steps=60)
    assert f[-1].sum() / f[-2].sum() == pytest.approx(np.abs(np.linalg.eigvals(leslie(double))).max())


def test_migrants_join_and_unlike_groups_are_refused() -> None:
    rates, women, men = _stationary()
    f, _ = cohorts(women, men, rates, steps=1, migrants=np.array([[5.0, 0, 0, 0], [0, 0, 0, 0]]))
    assert f[1].sum() == pytest.approx(women.sum() + 5)
    with pytest.raises(BadInput):
        cohorts(women[:3], men, rates, steps=1)


def test_dasymetric_people_keep_the_totals_and_follow_the_weights() -> None:
    random = np.random.default_rng(3)
    group, weight = random.integers(0, 20, 5_000), random.uniform(0, 300, 5_000)
    weight[group == 7] = 0
    totals = random.integers(100, 9_000, 20).astype(float)
    people = dasymetric(totals, group, weight)
    assert np.bincount(group, people) == pytest.approx(totals)
    here = group == 4
    assert np.corrcoef(people[here], weight[here])[0, 1] == pytest.approx(1)
    assert np.ptp(people[group == 7]) == pytest.approx(0)
    whole = whole_persons(people, group, 20)
    assert (np.bincount(group, whole) == totals).all()
    assert np.abs(whole - people).max() < 1


def test_people_recover_the_weights_they_were_made_with() -> None:
    truth = np.array([3.0, 1.0, 0.0, 6.0, 2.0])
    group = np.array([0, 0, 0, 1, 1])
    assert dasymetric(np.bincount(group, truth).astype(float), group, 35 * truth) == pytest.approx(truth)


@pytest.mark.parametrize(
    ("totals", "group", "weight"), [([5.0, 1.0], [0, 0], [1.0, 1.0]), ([5.0], [0], [-1.0]), ([5.0], [0], [np.nan])]
)
def test_people_without_buildings_and_bad_weights_are_refused(
    totals: list[float], group: list[int], weight: list[float]
) -> None:
    with pytest.raises(BadInput):
        dasymetric(np.array(totals), np.array(group), np.array(weight))


def test_years_before_the_count_and_negative_people_are_refused() -> None:
    with pytest.raises(BadInput):
        project(np.array([1.0]), years=np.array([2021]))
    with pytest.raises(BadInput):
        project(np.array([-1.0]), years=YEARS)
