"""How all figures look, and how names get into them."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assume_rl.errors import ConfigurationError, uninstalled
from assume_rl.reports.types import Figure

Trace = dict[str, Any]

# Okabe and Ito 2008, "Color universal design": distinct for any colour vision. Their black is
# left out, it would vanish on a dark page.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")
GREY = "#808080"  # what is no series of its own: demand, limits, means
DASHES = ("solid", "dash", "dot", "dashdot")

HEIGHT = 350  # px
INK = "#1b1f24"  # of text on white; pages have their own
LONG = 44  # characters of a name on an axis
NAMED = 19  # characters of a name in the legend of a narrow figure, whose columns are as wide
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"


def figure(traces: Sequence[Trace], *, x: str, y: str, **layout: Any) -> Figure:
    """Return a plotly figure with axes called `x` and `y`; `layout`: anything else plotly knows.

    :raises ConfigurationError: plotly is not installed.
    """
    line = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": "rgba(128,128,128,0.6)"}
    size = {"font": {"size": 13}}
    usual = {
        "template": {},  # plotly's own is larger than most figures
        "font": {"family": FONT, "size": 13, "color": INK},
        "height": HEIGHT,
        "margin": {"l": 64, "r": 36, "t": 36, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"namelength": -1},
        "modebar": {"orientation": "v"},  # beside the plot: above it is the legend
        "legend": {
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.02,
            "x": 0,
            "font": {"size": 11},
        },
        "showlegend": sum(trace.get("showlegend", True) for trace in traces) > 1,
        "xaxis": {"title": size | {"text": x}, "automargin": True, **line},
        "yaxis": {"title": size | {"text": y}, "automargin": True, **line},
    }
    drawn = load_plotly().Figure(traces, usual)  # at once: every later change is checked anew
    return drawn.update_layout(**layout) if layout else drawn


def load_plotly(module: str = "graph_objects") -> Any:
    """Import a module of plotly; the rest of the package does without it."""
    try:
        return import_module(f"plotly.{module}")
    except ModuleNotFoundError:
        raise ConfigurationError(uninstalled("a report", "plotly", "report")) from None


def plotly_script() -> str:
    """Return what draws figures in a browser, some megabytes of JavaScript."""
    return str(load_plotly("offline").get_plotlyjs())


def text(name: object) -> str:
    """Return a name as plotly shows it: it takes some HTML in texts, which no name is."""
    return escape(str(name), quote=False)


def legend_name(name: str) -> str:
    """Return a name as it stands in the legend of a narrow figure, cut short."""
    return text(name if len(name) <= NAMED else f"{name[: NAMED - 1]}…")


def faint(colour: str, share: float) -> str:
    """Return a colour `#rrggbb` of which a share covers what is behind it."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


def colours(names: Sequence[str]) -> Mapping[str, str]:
    """Return a colour for each name; they come again after seven."""
    return {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(names)}


def line_looks(names: Sequence[str]) -> Mapping[str, Trace]:
    """Return colour, width and dash for each name; those of equal colours differ in dash."""
    dashes = [DASHES[number // len(PALETTE) % len(DASHES)] for number in range(len(names))]
    return {
        name: {"color": colour, "dash": dash, "width": 2}
        for (name, colour), dash in zip(colours(names).items(), dashes, strict=True)
    }


def names_axis(names: Sequence[str]) -> Trace:
    """Return a vertical axis of names, the first on top; long ones are cut short there."""
    shown = [name if len(name) <= LONG else f"{name[: LONG - 1]}…" for name in names]
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": [text(name) for name in names][::-1],
        "tickvals": [text(name) for name in names],
        "ticktext": [text(name) for name in shown],
    }


def marked(run_id: str) -> Trace:
    """Say in the hover text of a trace which run it is of; `HOVER` shows it."""
    return {"meta": {"run_id": text(run_id)}}


HOVER = "<br>run_id %{meta.run_id}"
WHEN = "%{x|%Y-%m-%d %H:%M}<br>"
"""The time of a point, in its hover text."""


def band_between(
    x: Sequence[object], low: NDArray[np.float64], high: NDArray[np.float64], colour: str
) -> list[Trace]:
    """Return two traces: the area from `low` to `high` in a faint form of a colour `#rrggbb`."""
    edge = {"type": "scatter", "mode": "lines", "line": {"width": 0}}
    common = edge | {"hoverinfo": "skip", "showlegend": False, "x": list(x)}
    fill = {"fill": "tonexty", "fillcolor": faint(colour, 0.18)}
    return [common | {"y": high}, common | {"y": low} | fill]
