"""The colours of the theme, as weak eyes meet them: WCAG 2.2, level AA."""

from __future__ import annotations

import re

import pytest

from imil.report.parts.markup import ASSETS

# Colours that stand on each other, from `theme.css`; text and figures need 4.5 : 1.
TEXT = [
    *((text, on) for text in ("text", "text-2") for on in ("bg", "surface", "sunken")),
    *((text, "primary-soft") for text in ("text", "text-2", "primary-text")),
    *((text, "surface") for text in ("primary-text", "good", "bad", "warn", "curve-train")),
    *((tone, f"{tone}-soft") for tone in ("good", "bad", "flat", "warn")),
    ("on-primary", "primary"),
    ("on-primary", "primary-hover"),
    ("stage-text", "stage"),
]
# What is no text but must be seen to be used: edges of controls, bars; 3 : 1.
SHAPES = [("line-strong", "surface"), ("line-strong", "bg"), ("primary", "sunken")]


def tokens(theme: str) -> dict[str, str]:
    css = (ASSETS / "theme.css").read_text("utf-8")

    def of(selector: str) -> dict[str, str]:
        found = re.search(rf"^{re.escape(selector)} \{{(.*?)^\}}", css, re.DOTALL | re.MULTILINE)
        assert found is not None
        return dict(re.findall(r"--([\w-]+): (#[0-9A-Fa-f]{6});", found.group(1)))

    return of(":root") if theme == "light" else of(":root") | of(".dark")


def contrast(one: str, other: str) -> float:
    """Source: WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_black_on_white_is_21() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (SHAPES, 3.0)], ids=["text", "shapes"])
def test_colours_that_meet_can_be_told_apart(
    theme: str, pairs: list[tuple[str, str]], least: float
) -> None:
    colours = tokens(theme)

    found = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}

    assert {pair: ratio for pair, ratio in found.items() if ratio < least} == {}
