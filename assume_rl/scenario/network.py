"""Buses and lines of a market: `param_dict.network_path` names the folder of their files."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assume_rl.core.clearing.grid import Grid, Line
from assume_rl.errors import nearest
from assume_rl.scenario.config.cases import CONFIG_FILE
from assume_rl.scenario.config.mechanisms import reads_blocks
from assume_rl.scenario.config.schema import Market, StudyCase
from assume_rl.scenario.problems import Problems, cell
from assume_rl.scenario.text_file import UnreadableFile, read_text

BUSES, LINES = "buses.csv", "lines.csv"


@dataclass(frozen=True)
class Network:
    """Buses in zones, and the lines between them."""

    zone_of: dict[str, str]  # of each bus; its own name where zones are buses
    lines: tuple[tuple[str, str, str, float], ...]  # name, bus0, bus1, MW

    def grid(self, nodes: tuple[str, ...]) -> Grid:
        """Return zones and the lines between them; unknown nodes lie in the first zone.

        :param nodes: of the scenario, by the index that orders carry
        """
        zones = tuple(dict.fromkeys(self.zone_of.values()))
        place = {bus: zones.index(zone) for bus, zone in self.zone_of.items()}
        lines = (
            Line(name, place[start], place[stop], capacity)
            for name, start, stop, capacity in self.lines
        )
        between = tuple(line for line in lines if line.start != line.stop)
        return Grid(zones, tuple(place.get(node, 0) for node in nodes), between)


def read_networks(case: str, config: StudyCase, problems: Problems) -> dict[str, Network]:
    """Return the network of each market that has one.

    :param case: name of the study case
    :param config: its settings
    :param problems: takes what is wrong with the files
    """
    found = {}
    for name, market in config.markets_config.items():
        where = f"{CONFIG_FILE}, {case}.markets_config.{name}.param_dict"
        if not reads_blocks(market.market_mechanism):
            continue
        if market.param_dict.get("network_path") is not None:
            network = _read(where, market, problems)
            if network is not None:
                found[name] = network
        elif market.param_dict.get("zones_identifier") is not None:
            problems.error(f"{where}.zones_identifier", "needs a network_path")
    return found


def _read(where: str, market: Market, problems: Problems) -> Network | None:
    folder = Path(str(market.param_dict["network_path"]))
    buses = _table(where, folder / BUSES, (), problems)
    lines = _table(where, folder / LINES, ("bus0", "bus1", "s_nom"), problems)
    if buses is None or lines is None:
        return None
    column = market.param_dict.get("zones_identifier")
    if column is not None and column not in buses:
        problems.error(
            f"{where}.zones_identifier",
            f"{BUSES} has no column '{column}'; {nearest(str(column), buses.columns)}",
        )
        return None
    zones = buses.index if column is None else buses[column]
    zone_of = dict(zip(buses.index.astype(str), map(str, zones), strict=True))
    before = len(problems.errors)
    network = Network(zone_of, tuple(_lines(lines, zone_of, problems)))
    _check_zones(network, column, problems)
    return network if len(problems.errors) == before else None


def _table(
    where: str, path: Path, needed: tuple[str, ...], problems: Problems
) -> pd.DataFrame | None:
    try:
        table = pd.read_csv(StringIO(read_text(path)), index_col=0)
    except UnreadableFile as error:
        problems.error(f"{where}.network_path", f"{path} {error}")
        return None
    except ValueError as error:
        problems.error(f"{where}.network_path", f"{path} cannot be read: {error}")
        return None
    table.index = table.index.astype(str)
    missing = [column for column in needed if column not in table]
    for column in missing:
        problems.error(cell(path.name, None, column), "is missing")
    for name in table.index[table.index.duplicated()]:
        problems.error(cell(path.name, name), "is there twice")
    return None if missing else table


def _lines(lines: pd.DataFrame, zone_of: dict[str, str], problems: Problems) -> Any:
    share = lines["s_max_pu"].fillna(1.0) if "s_max_pu" in lines else 1.0
    capacity = pd.to_numeric(lines["s_nom"], errors="coerce") * share
    for (name, row), size in zip(lines.iterrows(), capacity.astype(float), strict=True):
        for end in ("bus0", "bus1"):
            if str(row[end]) not in zone_of:
                hint = nearest(str(row[end]), zone_of)
                problems.error(cell(LINES, str(name), end), f"unknown bus '{row[end]}'; {hint}")
        if not (np.isfinite(size) and size >= 0):
            problems.error(cell(LINES, str(name), "s_nom"), "is no number of at least 0")
        yield str(name), str(row["bus0"]), str(row["bus1"]), float(size)


def _check_zones(network: Network, column: str | None, problems: Problems) -> None:
    """Note zones that no line leads to."""
    zones = set(network.zone_of.values())
    joined = {
        network.zone_of.get(end)
        for _, *ends, _ in network.lines
        if len({network.zone_of.get(end) for end in ends}) > 1
        for end in ends
    }
    for zone in sorted(zones - joined) if len(zones) > 1 else ():
        bus = next(bus for bus, own in network.zone_of.items() if own == zone)
        problems.error(cell(BUSES, bus, column), f"no line leads to zone '{zone}'")
