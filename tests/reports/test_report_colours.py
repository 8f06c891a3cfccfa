"""Technologies have the colours that the field gives them."""

import colorsys

import pytest

from assume_rl.reports.colours import technology_colours, technology_patterns
from assume_rl.reports.style import PALETTE

HUES = {  # degrees on the colour wheel
    "lignite": (20, 40),
    "combined cycle gas turbine": (20, 40),
    "nuclear": (260, 300),
    "wind onshore": (200, 225),
    "solar": (40, 60),
    "hydro": (165, 185),
    "pumped hydro": (300, 335),
    "battery": (300, 335),
    "biogas": (80, 130),
    "heating_oil": (0, 15),
    "PV2030": (40, 60),
    "BioMass": (80, 130),
}


@pytest.mark.parametrize(("technology", "hues"), HUES.items())
def test_a_technology_has_its_hue(technology: str, hues: tuple[int, int]) -> None:
    (colour,) = technology_colours([technology]).values()
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    assert hues[0] <= 360 * colorsys.rgb_to_hsv(red, green, blue)[0] <= hues[1]


@pytest.mark.parametrize("technology", ["electric boiler", "soil heat", "approval", "gasket"])
def test_short_words_inside_others_name_nothing(technology: str) -> None:
    assert technology_colours([technology]) == {technology: PALETTE[0]}


def test_coal_is_dark_and_grey() -> None:
    colour = technology_colours(["hard coal"])["hard coal"]
    assert len({colour[k : k + 2] for k in (1, 3, 5)}) == 1
    assert int(colour[1:3], 16) < 0x60


def test_technologies_of_one_hue_differ_whatever_their_order() -> None:
    names = ["open cycle gas turbine", "combined cycle gas turbine", "gas engine"]
    found = technology_colours(names)
    assert len(set(found.values())) == 3
    assert technology_colours(names[::-1]) == found


def test_those_of_equal_colour_differ_in_pattern() -> None:
    names = [f"mystery {k}" for k in range(12)]
    colours, patterns = technology_colours(names), technology_patterns(names)
    assert len({(colours[n], patterns[n]) for n in names}) == 12
