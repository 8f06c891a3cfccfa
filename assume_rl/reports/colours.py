"""Colours of technologies, as the field draws them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from assume_rl.reports.style import GREY, PALETTE

# The first row one of whose words is in the name of a technology decides: storages before hydro,
# since pumped hydro is a storage, lignite before coal, since it is brown coal, biogas before gas.
# Those of WHOLE are looked for as words of their own, since others have them inside.
TECHNOLOGIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("unknown",), GREY),
    (("battery", "storage", "pumped", "pspp", "caes"), "#D6369A"),  # magenta
    (("lignite", "brown coal"), "#8B5A2B"),  # brown
    (("coal",), "#4A4A4A"),  # dark, yet to be seen on a dark page
    (("bio", "biogas", "biomass", "biofuel", "biomethane", "wood"), "#5BA02E"),  # green
    (("gas", "ccgt", "ocgt", "chp"), "#F08C28"),  # orange
    (("nuclear", "uranium"), "#7E3FA8"),  # purple
    (("wind",), "#3B82D0"),  # blue
    (("solar", "photovoltaic", "pv"), "#F7CF3D"),  # yellow
    (("hydrogen", "electroly"), "#63C7D9"),  # light blue
    (("hydro", "river", "reservoir", "water"), "#149C93"),  # blue-green
    (("oil", "diesel"), "#A8352A"),  # dark red
    (("waste",), "#9A9A3C"),  # olive
    (("geothermal",), "#C86B5A"),  # terracotta
    (("import", "export", "exchange", "neighbour", "border"), "#8FA3B5"),  # grey-blue
)

WHOLE = frozenset({"bio", "gas", "chp", "pv", "oil"})
"""Short words that others contain, e.g. boiler."""

# Several technologies of one row share its hue: the first has the colour itself.
SHADES = (0.0, 0.35, -0.35, 0.6, -0.6)
"""Shares of white (> 0) or black (< 0) that are mixed in."""


def technology_colours(names: Sequence[str]) -> Mapping[str, str]:
    """Return a colour `#rrggbb` for each technology; those that no row names share a palette.

    Colours depend on the set of names alone, and not on their order.
    """
    found: dict[str, str] = {}
    kinds: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        kinds.setdefault(_base(name), []).append(name)
    for base, members in kinds.items():
        if base:
            found |= {
                name: mixed(base, SHADES[number % len(SHADES)])
                for number, name in enumerate(members)
            }
        else:
            found |= {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(members)}
    return {name: found[name] for name in names}


def mixed(colour: str, share: float) -> str:
    """Return `#rrggbb` with a share of white (> 0) or black (< 0) mixed in."""
    end = 255 if share > 0 else 0
    parts = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return "#" + "".join(f"{round(part + (end - part) * abs(share)):02X}" for part in parts)


def technology_patterns(names: Iterable[str]) -> Mapping[str, str]:
    """Return a pattern for the area of each technology, so that those of equal colour differ."""
    used: dict[str, int] = {}
    found = {}
    for name, colour in technology_colours(list(names)).items():
        found[name] = ("", "/", "x", ".")[used.get(colour, 0) % 4]
        used[colour] = used.get(colour, 0) + 1
    return found


def _base(name: str) -> str:
    """Return the colour of the row that names a technology; empty: none does."""
    words = " ".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)).lower()
    return next((c for keys, c in TECHNOLOGIES if any(_named(key, words) for key in keys)), "")


def _named(key: str, words: str) -> bool:
    """Return whether a word is in a name; those of `WHOLE` not inside another one."""
    return key in (words.split() if key in WHOLE else words)
