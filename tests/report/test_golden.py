"""What a comparison, a set of images and its readers look like, whole: a file a case.

After a change that is meant, look at the difference that a failing test shows, then run
`pytest tests/report --bless`, and look at the difference of the files before you commit them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from imil.core.arms.variants import IMIL, parse_variant
from imil.core.duplicates import NearDuplicates
from imil.core.evaluation.cases import Cases, cases_of
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.groups import FEWEST_IN_GROUP
from imil.core.evaluation.metrics import Interval, Metric
from imil.core.evaluation.rounds import ExternalFigures, Round, ThresholdFigures
from imil.core.external.distribution import DistributionCheck, SetSummary, Spread
from imil.core.images import ImageSet
from imil.core.records import EpochFigures, Plan, Region, Sample, Split
from imil.core.review.agreement import ReaderFigures, ReaderSummary, measure_agreement
from imil.core.review.readers import POOLED
from imil.core.splits import prove_disjoint
from imil.datasets.listing import BurntIn, ImportReport, Skipped
from imil.report.cards.budget_curves_card import budget_curves_cards
from imil.report.cards.cases_card import cases_cards, unknown_cases
from imil.report.cards.data_card import ANSWERS_FILE, MASKS_FILE, data_card
from imil.report.cards.model_card import model_card
from imil.report.cards.readers_card import MaskedImage, readers_card
from imil.report.cards.study_card import StudyData, no_study_yet, study_card
from imil.report.cards.verdict_card import verdict_card
from imil.report.parts.figures import interval_axis, interval_domain, interval_row, training_curves
from imil.report.report import report_html
from imil.report.round_page import details, headline
from tests.report.fabricated import ABOVE_CHANCE, CURVE, IMAGES, USUAL, make_round, probed, scores
from tests.report.golden import check, check_page

CLASSES = ("no <b>finding</b>", "finding", "a & b")
SHARES = (("imil+1%", -3.3, 3, 30.0), ("imil+2%", -8.3, 6, 70.0))
WITHOUT = ("propagated", "upweight")
HEADLINE = (Metric.ACCURACY, Metric.BALANCED_ACCURACY)


def wide_levels(found: Round) -> Round:
    """Return the round whose exploratory arm has an interval that Holm's procedure widened."""
    last = found.paired[2]
    wide = {metric: replace(each, level=0.975) for metric, each in last.differences.items()}
    last = replace(last, differences=wide)
    return replace(found, paired=(*found.paired[:2], last))


def without_paired(found: Round, name: str) -> Round:
    """Return the round without the comparison of one arm."""
    return replace(found, paired=tuple(each for each in found.paired if each.arm != name))


def elsewhere(found: Round) -> Round:
    """Return the round with the same arms on two external sets, one of other images than usual."""
    size, level = Spread(200, 256, 300), Spread(0.3, 0.4, 0.5)
    shares = (0.5, 0.5)
    training = SetSummary(300, None, size, size, level, level, shares, colour=0)
    bright = replace(training, images=60, patients=30, brightness=Spread(0.6, 0.7, 0.8))
    check = DistributionCheck(
        CLASSES[:2], replace(bright, shares=(0.9, 0.1)), training, 2, shared_patients=1
    )
    tuned = tuple(
        ThresholdFigures(
            arm.arm,
            (0.5,) * len(found.seeds),
            {metric: arm.values[metric] for metric in HEADLINE},
            {metric: arm.figures[metric] for metric in HEADLINE},
            {} if place == 0 else found.paired[0].differences,
        )
        for place, arm in enumerate(found.arms)
    )
    gained = {found.paired[0].arm: Difference(-12.5, -20.1, -4.9)}
    one = ExternalFigures("Graz & <b>Wien</b>", 60, 30, 0.9, found.arms, found.paired, gained)
    other = replace(one, name="Oslo", patients=None, at_threshold=tuned, check=check)
    return replace(found, external=(one, other))


def recommends_imil(found: Round) -> Round:
    """Return the round that recommends the paper's arm."""
    assert found.advice is not None
    chosen = replace(found.advice.chosen, name=IMIL)
    return replace(found, advice=replace(found.advice, chosen=chosen))


def odd(found: Round) -> Round:
    """Return the round with a figure that is no number, masks that differ, and a class lacking."""
    control, imil, *rest = found.arms
    figures = {**control.figures, Metric.AUROC: Interval(float("nan"), float("nan"), float("nan"))}
    # Too small for any of them to be called the worst.
    groups = {
        name: replace(group, balanced_accuracy=None, images=FEWEST_IN_GROUP - 1)
        for name, group in control.groups.items()
    }
    control = replace(control, figures=figures, groups=groups)
    imil = replace(imil, masks=(8, 10, 9, 10, 10))
    return replace(
        found,
        arms=(control, imil, *rest),
        notices=("The arm “imil+noise+append” was trained anew; <i>imil</i> waits.",),
    )


COMPARISONS: dict[str, Callable[[], Round]] = {
    "helps": lambda: make_round(30),
    "no_clear_difference": lambda: replace(
        make_round(0), notices=("No arm is recommended: few masks.",)
    ),
    "harmful": lambda: make_round(-30),
    "one_run": lambda: make_round(30, seeds=1),
    "three_runs": lambda: make_round(30, seeds=3),
    "no_patients": lambda: make_round(30, split=Split.TEST, patients=False),
    "every_arm": lambda: wide_levels(probed(*SHARES)),
    "every_arm_validation": lambda: probed(split=Split.VALIDATION, mask_only=ABOVE_CHANCE, zeros=3),
    "every_arm_one_run": lambda: probed(*SHARES, seeds=1, zeros=1, mask_only=None),
    "three_classes": lambda: probed(classes=3, without=WITHOUT, groups=False),
    "nothing_swapped": lambda: probed(
        ("imil", -16.7, 10, None), ("imil+1%", -3.3, 3, None), swapped=False, groups=False
    ),
    "recommended_not_compared": lambda: without_paired(probed(), "propagated"),
    "swapped_by_reference": lambda: replace(probed(without=WITHOUT), swapped_by="reference"),
    "imil_recommended": lambda: recommends_imil(probed(without=WITHOUT)),
    "none_named_beforehand": lambda: replace(probed(without=("imil", "propagated")), advice=None),
    "odd_figures": lambda: odd(probed(zeros=8, seeds=5)),
    "another_hospital": lambda: elsewhere(probed(without=WITHOUT)),
}


# Between them they have every kind of markup; of the others the words are compared.
MARKED_UP = {"every_arm", "one_run", "none_named_beforehand", "odd_figures", "another_hospital"}


@pytest.mark.parametrize("case", COMPARISONS)
def test_the_report_of_a_comparison(case: str, bless: bool) -> None:
    found = COMPARISONS[case]()

    check_page(case, report(found), bless=bless, markup=case in MARKED_UP)


@pytest.mark.parametrize("case", ["every_arm", "one_run"])
def test_the_screen_of_a_comparison(case: str, bless: bool) -> None:
    found = COMPARISONS[case]()
    classes = CLASSES[:2]
    cases = cases_of_all([arm.arm for arm in found.arms if arm.arm in USUAL])
    page = (
        verdict_card(found, asked=5)
        + headline(found)
        + cases_cards(found, cases, classes, shot)
        + details(found, classes)
    )

    check_page(f"screen_{case}", page, bless=bless)


def test_a_report_of_a_final_comparison_beside_its_validation(bless: bool) -> None:
    found = probed(seeds=5)

    page = report(found, rounds=(probed(seeds=5, split=Split.VALIDATION),))

    check_page("confirmed", page, bless=bless)


def test_a_report_with_all_that_a_study_has(bless: bool) -> None:
    found = probed(split=Split.VALIDATION)
    cases = cases_of_all()
    rounds = (found, replace(found, number=2, test_seen=True))

    page = report(rounds[1], cases=cases, rounds=rounds, readers=summary(unblinded=True))

    check_page("report_of_two_rounds", page, bless=bless)


def test_a_report_asks_nothing_of_the_network_and_runs_nothing() -> None:
    page = report(probed(*SHARES))

    for outside in ("http", "<script", "url(", "<link", "@import", "src=", "srcset", "<img"):
        assert outside not in page


def test_the_models_and_the_data_sets_card(bless: bool) -> None:
    found = probed()
    config = {"arm": "propagated", "classes": CLASSES[:2], "seed": 0, "size": 224}
    counts = {Split.TRAIN: 1300, Split.VALIDATION: 100, Split.TEST: 200}
    about = {"name": "Films of *2026*", "proof": "No patient in two splits."}

    model = model_card(found, config, counts=counts, **about)
    data = data_card(
        found,
        image_set(),
        masks=1,
        seconds=100.0,
        repo="alice/masks",
        tables=[MASKS_FILE, ANSWERS_FILE],
        **about,
    )

    check("model_card", model, bless=bless, suffix="md")
    check("data_card", data, bless=bless, suffix="md")


@pytest.mark.parametrize("case", ["first_epoch", "both_epochs", "intervals", "doses"])
def test_plots(case: str, bless: bool) -> None:
    intervals = ((26.7, 20.1, 33.2), (-16.7, -25.0, -8.1), (3.3, float("nan"), float("nan")))
    domain = interval_domain(intervals)
    drawn = {
        "first_epoch": training_curves(CURVE[:1], planned=6),
        "both_epochs": training_curves((*CURVE, EpochFigures(3, 1.5, 0.4, 1.2, 0.4)), planned=12),
        "intervals": interval_axis(domain)
        + Markup().join(interval_row(*each, domain=domain, tone="good") for each in intervals)
        + interval_row(None, float("nan"), float("nan"), domain=domain, tone="flat"),
        "doses": budget_curves_cards(probed(*SHARES, ("propagated+1%", 20.0, 3, 30.0))),
    }

    check_page(f"plot_{case}", drawn[case], bless=bless, plots=True)


@pytest.mark.parametrize("case", ["blind", "refused", "unblinded", "one_each"])
def test_readers(case: str, tmp_path: Path, bless: bool) -> None:
    found = summary(unblinded=case == "unblinded", apart=case == "one_each")
    if case == "refused":
        found = replace(found, readers=found.readers[:1])

    def masked(sample_id: str) -> MaskedImage:
        masks = {"Ada & Co": square(8), "Bo": square(4), POOLED: square(8)}
        return MaskedImage(f"folder/{sample_id} <1>.png", small(tmp_path), masks, "union")

    page = readers_card(found, masked, refused=case == "refused")

    check_page(f"readers_{case}", page, bless=bless)


@pytest.mark.parametrize("case", ["sound", "doubtful", "missing", "moved"])
def test_images_of_a_study(case: str, tmp_path: Path, bless: bool) -> None:
    images, path = image_set(), small(tmp_path)
    pairs = tuple((f"i{n}", f"i{n + 1}") for n in range(14))
    reports = {
        "sound": ImportReport(40, twins=NearDuplicates(1200, inside=1, kept=2, named=pairs[:1])),
        "doubtful": ImportReport(
            40,
            tuple(Skipped(f"{n} & <b>.png", "It is damaged.") for n in range(201)),
            ("Read from the table.",) * 3,
            NearDuplicates(50_000, across=15, inside=2, named=pairs, exact_only=True),
            BurntIn(2, named=("i0", "i1")),
            more_skipped=1000,
        ),
        "missing": ImportReport(40, (Skipped("", "It is empty."),), burnt_in=BurntIn(0)),
        "moved": ImportReport(
            40,
            twins=NearDuplicates(900, moved=1),
            burnt_in=BurntIn(1, blacked_out=True, named=("i2",)),
        ),
    }
    samples = (
        images.samples
        if case == "doubtful"
        else [replace(s, patient=s.sample_id) for s in images.samples]
    )
    study = StudyData(
        images,
        prove_disjoint(samples),
        reports[case],
        lambda _: path,
        missing=40 if case == "missing" else 0,
        damaged={"data/masks/1.parquet": "i3", "2.parquet": None} if case == "missing" else {},
    )

    check_page(f"images_{case}", study_card(study), bless=bless)


def test_what_is_not_there_yet(bless: bool) -> None:
    check_page("nothing_yet", no_study_yet() + unknown_cases(probed()), bless=bless)


LABELS = np.arange(IMAGES) % 2
SAMPLES = tuple(Sample(f"p{n}/i{n}.png", int(LABELS[n]), Split.VALIDATION) for n in range(IMAGES))


def cases_of_all(arms: Sequence[str] = tuple(USUAL)) -> Cases:
    """Return what each arm says to each of the images, as `USUAL` tells it."""
    said = {parse_variant(name): (scores(USUAL[name][0], LABELS),) for name in arms}
    return cases_of(said, SAMPLES, (0,))


def shot(sample_id: str) -> tuple[str, str]:
    """Return the address of an image's small picture, and what people call it."""
    return "data:,", f"Image {sample_id[1:]}"


def report(found: Round, **more: object) -> str:
    """Return the report of a comparison of a study with two classes or three."""
    classes = CLASSES[: len(found.arms[0].confusion)]
    return report_html(
        found,
        name="Films <of> 2026",
        classes=classes,
        plan=Plan(),
        proof="None shared.",
        versions={"torch": "2.0", "imil": "1 & 2"},
        **more,  # type: ignore[arg-type]  # what a study has besides
    )


def summary(*, unblinded: bool, apart: bool = False) -> ReaderSummary:
    """Return two readers of 15 images, of which they masked 14 together, or none."""
    ids = [f"i{n:02}" for n in range(15)]
    first = {name: square(8) for name in ids[: 1 if apart else 15]}
    second = {name: square(4 + n % 5) for n, name in enumerate(ids[1 if apart else 0 : 14])}
    masks = {"Ada & Co": first, "Bo": second}
    patients = {name: f"p{n // 2}" for n, name in enumerate(ids)}
    return ReaderSummary(
        (ReaderFigures("Ada & Co", 15, 0, 93.0, 6.0), ReaderFigures("Bo", 14, 1, 4.0, 2.0)),
        measure_agreement(masks, patients),
        datetime(2026, 11, 3, 14, 5, tzinfo=UTC) if unblinded else None,
        int(unblinded),
    )


def square(side: int) -> Region:
    """Return a mask of 16 × 16 px that hides a square in its corner."""
    region = np.zeros((16, 16), np.bool_)
    region[:side, :side] = True
    return region


def small(folder: Path) -> Path:
    """Return a small picture."""
    path = folder / "small.jpg"
    Image.new("RGB", (16, 16), "grey").save(path)
    return path


def image_set() -> ImageSet:
    """Return 40 images of two classes, few in test, a third of which name their patient."""
    splits = (Split.TRAIN,) * 30 + (Split.VALIDATION,) * 6 + (Split.TEST,) * 4
    samples = [
        Sample(f"i{n}", n % 2, splits[n], patient=None if n % 3 else f"p{n}") for n in range(40)
    ]

    def read(_: str) -> np.ndarray:
        return np.zeros((16, 16), np.uint8)

    return ImageSet("films", CLASSES[:2], samples, read=read, channels=1)
