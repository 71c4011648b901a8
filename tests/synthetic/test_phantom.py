from __future__ import annotations

import numpy as np
import pytest

from imil.core.images import working_image
from imil.synthetic.phantom import (
    Exposure,
    Marker,
    Scene,
    breathed_in,
    draw,
    random_chest,
    random_distractor,
    random_exposure,
    random_marker,
    random_opacity,
    relevant_region,
)

PLAIN = Exposure(shift=(0.0, 0.0), lean=0.0, gain=1.0, gamma=1.0, grain_seed=0)


def _scene(seed: int, *, opacities: int = 0, distractors: int = 0, marked: bool = False) -> Scene:
    rng = np.random.default_rng(seed)
    chest = random_chest(rng)
    exposure, marker = random_exposure(rng), random_marker(rng)
    return Scene(
        chest,
        exposure,
        tuple(random_opacity(rng, chest) for _ in range(opacities)),
        tuple(random_distractor(rng, chest) for _ in range(distractors)),
        marker if marked else None,
    )


def _drawn_by(more: Scene, less: Scene, *, size: int = 96) -> np.ndarray:
    """Return where two films of one exposure and grain differ visibly."""
    difference = draw(more, size=size).astype(int) - draw(less, size=size)
    return np.asarray(np.abs(difference) > 25)


@pytest.mark.parametrize("seed", range(20))
def test_opacities_lie_inside_the_relevant_region(seed: int) -> None:
    more, less = _scene(seed, opacities=2), _scene(seed)

    changed = _drawn_by(more, less)

    assert changed.any()
    assert not (changed & ~relevant_region(more, size=96)).any()


@pytest.mark.parametrize("seed", range(20))
def test_marker_and_distractors_lie_outside_the_relevant_region(seed: int) -> None:
    more, less = _scene(seed, distractors=5, marked=True), _scene(seed)

    changed = _drawn_by(more, less)

    assert changed.any()
    assert not (changed & relevant_region(more, size=96)).any()


def test_the_relevant_region_is_two_fields_of_a_third_of_the_film() -> None:
    relevant = relevant_region(_scene(0), size=64)

    columns = relevant.any(axis=0).astype(int)
    assert np.count_nonzero(np.diff(columns) == 1) == 2
    assert 0.25 < relevant.mean() < 0.45


def test_lungs_are_darker_than_what_lies_around_them() -> None:
    scene = _scene(0)

    film, relevant = draw(scene, size=64), relevant_region(scene, size=64)

    assert film[relevant].mean() + 30 < film[40:, 20:44][~relevant[40:, 20:44]].mean()


def test_a_large_film_scaled_down_looks_like_a_small_one() -> None:
    scene = _scene(3, opacities=1, marked=True)

    large = working_image(draw(scene, size=192), size=64, channels=1)[0].astype(float)
    small = draw(scene, size=64).astype(float)

    # Grain of both, about 6 grey values each, and nothing else.
    assert np.abs(large - small).mean() < 8


def test_grain_is_alike_at_every_size() -> None:
    chest = random_chest(np.random.default_rng(0))
    other = Exposure((0.0, 0.0), 0.0, 1.0, 1.0, grain_seed=1)

    grains = [
        working_image(draw(Scene(chest, PLAIN, (), (), None), size=size), size=64, channels=1)[0]
        - working_image(draw(Scene(chest, other, (), (), None), size=size), size=64, channels=1)[
            0
        ].astype(float)
        for size in (64, 192)
    ]

    small, large = (float(np.std(grain[45:])) for grain in grains)
    assert 0.7 < large / small < 1.1


def test_a_deeper_breath_lowers_both_domes_and_the_heart() -> None:
    chest = random_chest(np.random.default_rng(0))

    deeper = breathed_in(chest, 0.02)

    assert [round(b.base - a.base, 6) for a, b in zip(chest.lungs, deeper.lungs, strict=True)] == [
        0.02,
        0.02,
    ]
    assert deeper.heart[1] > chest.heart[1]


def test_the_marker_is_a_white_box_with_an_l() -> None:
    chest = random_chest(np.random.default_rng(0))
    scene = Scene(chest, PLAIN, (), (), Marker(0.75, 0.0, 0.25))

    corner = draw(scene, size=64)[:16, 48:] > 180

    assert corner[0].all()
    assert corner[:, 0].all()
    assert corner[4:12, 6].all()
    assert corner[11, 6:11].all()
    assert not corner[4:9, 9:14].any()
