"""Where policies are from: the training, and the units that it was for, as manifests keep it."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from assume_rl.learning.policies.manifest import Manifest
from assume_rl.scenario.compile.agents import unit_and_market
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.tables.base import Unit

logger = logging.getLogger(__name__)

TRAINED_IN, MADE_FOR, SCORES, EPISODES = "trained_in", "made_for", "scores", "episodes_done"
"""Entries of a policy manifest's `extra`: study case, days and seed; units by agent; what a
validation brought that policies were kept for; episodes of training."""

ORIGIN = frozenset({TRAINED_IN, MADE_FOR, SCORES, EPISODES})
"""Those that say where policies are from; the others are settings that they depend on."""

APART = frozenset({"id", "unit_operator", "bidding", "forecast"})
"""Fields of a unit that do not make it another one."""

SHOWN = 4  # fields of a unit in a message


def origin(compiled: Compiled, agents: Iterable[str], seed: int) -> dict[str, Any]:
    """Return the manifests' entries on the origin of policies.

    :param compiled: study case of the training
    :param agents: that learn
    :param seed: of the training
    """
    units = units_of(compiled)
    scenario = compiled.scenario
    named = {"scenario": scenario.name, "case": scenario.case, "seed": seed}
    return {
        TRAINED_IN: {**named, "start": str(scenario.start), "end": str(scenario.config.end_date)},
        MADE_FOR: {agent: _fields(units[agent]) for agent in agents if agent in units},
    }


def trained_share(compiled: Compiled, manifest: Manifest | None) -> float | None:
    """Return the share of a calendar on which policies were trained, in any case of the folder.

    None where it is not known, or was another folder.

    :param compiled: study case where they act
    :param manifest: of the policies; None: it is not known where they are from
    """
    known = {} if manifest is None else manifest.extra.get(TRAINED_IN, {})
    if known.get("scenario") != compiled.scenario.name:
        return None  # the same days of another folder are other ones
    try:
        start, end = (datetime.fromisoformat(known[key]) for key in ("start", "end"))
    except (KeyError, TypeError, ValueError):
        return None
    here, until = compiled.scenario.start, compiled.scenario.config.end_date
    both = min(end, until) - max(start, here)
    return max(both, timedelta()) / (until - here)


def units_of(compiled: Compiled) -> dict[str, Unit]:
    """Return the unit of each learning agent that is one; operators that learn have several."""
    units = {unit.id: unit for unit in compiled.scenario.units}
    return {
        agent: units[unit]
        for own in compiled.agents.values()
        for unit, agent in own.items()
        if unit_and_market(agent, units)[0] == unit
    }


def other_units(
    compiled: Compiled, manifest: Manifest | None, owners: Mapping[str, str]
) -> dict[str, str]:
    """Return the differences from training of the units that are to act by policies.

    Policies that units share are for any of a class, so that nothing is said of these.

    :param compiled: study case where they act
    :param manifest: of the policies; None: it is not known where they are from
    :param owners: by agent, the agent that the policy was trained as
    """
    known = {} if manifest is None else manifest.extra.get(MADE_FOR, {})
    units, found = units_of(compiled), {}
    for agent, owner in owners.items():
        if agent in compiled.shared or owner not in known or agent not in units:
            continue
        here, there = _fields(units[agent]), known[owner]
        unlike = [key for key in there if key in here and here[key] != there[key]]
        texts = [f"{key} {_text(there[key])}, here {_text(here[key])}" for key in unlike[:SHOWN]]
        texts += [f"and {len(unlike) - SHOWN} more"] * (len(unlike) > SHOWN)
        if unlike:
            found[agent] = "; ".join(texts)
    return found


def warn_of_other_units(
    compiled: Compiled, manifest: Manifest | None, owners: Mapping[str, str], source: Path
) -> None:
    """Log a line for each unit that acts by the policy of another plant; see `other_units`."""
    for agent, why in other_units(compiled, manifest, owners).items():
        logger.warning(other_unit(source, agent, why))


def other_unit(source: Path, agent: str, why: str) -> str:
    """Return a sentence on a unit that acts by the policy of another one."""
    return f"'{source}': the policy of unit '{agent}' was trained for another unit: {why}"


def _fields(unit: Unit) -> dict[str, Any]:
    return unit.model_dump(mode="json", exclude=set(APART))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
