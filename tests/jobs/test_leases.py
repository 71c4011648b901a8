from __future__ import annotations

from pathlib import Path

import pytest

from imil.jobs.leases import Lease, LeaseRefused, plan_lease, refusal_error, shorter_lease

STOP = Path("stop")
QUOTA = "You have exceeded your free ZeroGPU quota (90s requested vs. {left}s left). Try again in "


def test_before_anything_was_measured_a_first_lease_is_short() -> None:
    assert plan_lease(10, None, 60, STOP) == Lease(30, 10, STOP)


def test_a_lease_holds_the_epochs_that_were_measured_to_fit_with_a_reserve() -> None:
    # 8 seconds to begin, and 1.3 times 10 seconds for each of 4.
    assert plan_lease(10, 10, 60, STOP) == Lease(60, 4, STOP)
    assert plan_lease(2, 10, 60, STOP) == Lease(34, 2, STOP)


def test_an_epoch_that_takes_longer_than_a_lease_is_asked_for_all_the_same() -> None:
    assert plan_lease(10, 100, 60, STOP) == Lease(138, 1, STOP)


@pytest.mark.parametrize(("left", "allowed"), [(60, 40), (30, 20), (20, None)])
def test_a_shorter_lease_is_asked_for_where_the_quota_holds_an_epoch(
    left: int, allowed: int | None
) -> None:
    refused = LeaseRefused("ZeroGPU quota exceeded", QUOTA.format(left=left) + "1:00:00. ")

    # Of 60 seconds that were asked for 90 are counted; an epoch needs 8 + 1.3 times 8 seconds.
    assert shorter_lease(Lease(60, 4, STOP), 8, refused) == allowed


@pytest.mark.parametrize(
    ("title", "message", "told"),
    [
        ("ZeroGPU quota exceeded", QUOTA.format(left=12) + "3:20:00. ", "continue in 3 h 20 min"),
        ("ZeroGPU quota exceeded", QUOTA.format(left=12) + "1 day, 2:05:00. ", "in 26 h 5 min"),
        ("ZeroGPU quota exceeded", "Space app has reached its GPU limit.", "This Space's GPU time"),
        ("ZeroGPU illegal duration", "larger than the maximum allowed", "One epoch takes longer"),
        ("ZeroGPU pending credits exceeded", "too many ZeroGPU credits", "promised to other tasks"),
        ("ZeroGPU queue timeout", "No GPU was available after 60s", "No GPU is free"),
        ("ZeroGPU client error", "No GPU was available", "No GPU is free"),
        ("ZeroGPU client error", "Expired ZeroGPU proxy token", "Reload the page"),
        ("", "ZeroGPU API /schedule error: 500", "does not answer as expected"),
    ],
)
def test_each_refusal_says_what_it_means_and_that_nothing_is_lost(
    title: str, message: str, told: str
) -> None:
    error = refusal_error(LeaseRefused(title, message), kept="4 of 10 epochs are kept")

    assert told in str(error)
    assert "4 of 10 epochs are kept" in error.fix
