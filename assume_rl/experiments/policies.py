"""The policies that bidders of a study case act on or start from."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.core.bidding.ladder import OnLadder
from assume_rl.episodes.teams import bidder_spec
from assume_rl.errors import ConfigurationError, PolicyError, nearest
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.experiments.provenance import warn_of_other_units
from assume_rl.learning.config import SharingName
from assume_rl.learning.nets.heads import head_of
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.policies.assume_layout import actor_path
from assume_rl.learning.policies.assume_layout import unit_ids as assume_unit_ids
from assume_rl.learning.policies.folder import (
    check_fit,
    entry_of,
    load_policies,
    load_policy,
    read_as,
    source_of,
)
from assume_rl.learning.policies.manifest import Manifest as PolicyManifest
from assume_rl.learning.policies.manifest import PolicyEntry
from assume_rl.learning.policies.manifest import read_manifest as read_policies
from assume_rl.learning.policies.places import check_folder, is_assume_layout
from assume_rl.learning.types import AgentSpec
from assume_rl.scenario.compile.agents import unit_and_market
from assume_rl.scenario.compile.capabilities import on_ladders
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.types import Scenario

KINDS = ("any numbers", "rungs of a ladder")


def learned_bidders(compiled: Compiled) -> dict[str, LearnedBidder[Any]]:
    """Return how each learning agent bids, in the order in which agents register."""
    return {
        compiled.agent(market, unit): participant.bidder
        for operator in compiled.operators
        for market, participants in operator.participants.items()
        for participant in participants
        if isinstance(participant.bidder, LearnedBidder)
        for unit in participant.units
    }


def learner_specs(compiled: Compiled) -> dict[str, AgentSpec]:
    """Return the required form of each learning agent's policy."""
    return {
        agent: bidder_spec(agent, own, shared=compiled.shared.get(agent))
        for agent, own in learned_bidders(compiled).items()
    }


def named_policies(compiled: Compiled) -> dict[str, ActorStack]:
    """Return the policies that the study case names unit by unit."""
    named = compiled.scenario.config.policies
    policies: dict[str, ActorStack] = {}
    for unit, path in named.items():
        name = compiled.policy(unit)
        if Path(path).is_dir():
            _check_names(compiled, Path(path), [unit])
        own = replace(load_policy(Path(path), name), unit_ids=(unit,))
        entries = {unit: entry_of(Path(path), name)}
        policies |= _fitting(compiled, {unit: own}, Path(path), entries, None)
        manifest, owner = source_of(Path(path), name)
        warn_of_other_units(compiled, manifest, {unit: owner}, Path(path))
    return policies


def folder_policies(compiled: Compiled, folder: Path, units: list[str]) -> dict[str, ActorStack]:
    """Return the policies of `units`, shared or not, in a folder of our layout or of ASSUME's."""
    names = {unit: compiled.policy(unit) for unit in units}
    _check_names(compiled, policy_folder(folder), units)
    loaded = load_policies(policy_folder(folder), unit_ids=tuple(dict.fromkeys(names.values())))
    single = {name: stack.select([name]) for stack in loaded.actors for name in stack.unit_ids}
    policies = {unit: replace(single[name], unit_ids=(unit,)) for unit, name in names.items()}
    known = {} if loaded.manifest is None else loaded.manifest.units
    entries = {unit: known.get(name) for unit, name in names.items()}
    found = _fitting(compiled, policies, folder, entries, loaded.manifest)
    warn_of_other_units(compiled, loaded.manifest, names, folder)
    return found


def policy_sources(scenario: Scenario, folder: Path | str | None) -> tuple[Path, ...]:
    """Return all paths that policies are read from: `folder` and those in the study case."""
    named = (folder, scenario.learning.trained_policies_load_path)
    return tuple(Path(p) for p in (*named, *scenario.config.policies.values()) if p is not None)


def all_policies(compiled: Compiled, folder: Path | str | None) -> dict[str, ActorStack]:
    """Return a policy for every learning bidder.

    Units named in the study case have theirs; the others' come from `folder`, else from
    `trained_policies_load_path`.

    :raises ConfigurationError: a learning bidder has no policy.
    :raises PolicyError: a policy cannot be read, or `folder` does not exist.
    """
    if folder is not None:
        check_folder(Path(folder))
    policies = named_policies(compiled)
    rest = [unit for unit in compiled.learners if unit not in policies]
    source = folder or compiled.scenario.learning.trained_policies_load_path
    if rest and source is None:
        some = ", ".join(rest[:3]) + (", ..." if len(rest) > 3 else "")
        raise ConfigurationError(
            f"{len(rest)} learning bidder(s) have no policy ({some}): name a folder with "
            "--policies, set learning_config.trained_policies_load_path, or train first"
        )
    return policies | (folder_policies(compiled, Path(source), rest) if rest and source else {})


def folder_manifest(compiled: Compiled, folder: Path | str | None) -> PolicyManifest | None:
    """Return the manifest of a folder, else of that of the study case; None where there is none."""
    source = folder or compiled.scenario.learning.trained_policies_load_path
    found = None if source is None else policy_folder(Path(source))
    return None if found is None or is_assume_layout(found) else read_policies(found)


def _check_names(compiled: Compiled, folder: Path, agents: Sequence[str]) -> None:
    """Refuse a folder without the policies of agents, and say how they could be found.

    :param compiled: scenario
    :param folder: of policies
    :param agents: that are to act on them
    :raises PolicyError: with the setting by which they could
    """
    ours = not is_assume_layout(folder)
    entries = read_policies(folder).units if ours else {}
    known = tuple(entries) if ours else assume_unit_ids(folder)
    missing = [agent for agent in agents if compiled.policy(agent) not in known]
    if not (known and missing):  # a folder without any is refused when it is read
        return
    agent = missing[0]
    if agent in known:
        raise PolicyError(
            f"'{folder}' has no policy for all units like '{agent}', but one for it alone: "
            "set learning_config.parameter_sharing to null"
        )
    for by in get_args(SharingName):
        name = _sharing(compiled, by).policy(agent)
        if name in known:
            raise PolicyError(
                f"'{folder}' has no policy for unit '{agent}' alone, but one for all of the "
                f"{by} '{name}': set learning_config.parameter_sharing to {by}"
            )
    several = [name for name in known if unit_and_market(name, compiled.fleet.ids)[0] == agent]
    if several:  # it may have observed there what it does not observe here
        raise PolicyError(
            f"'{folder}' has no policy for unit '{agent}' in one market, but {', '.join(several)}, "
            "from learning in several: train it in this one alone"
        )
    like = next(iter(difflib.get_close_matches(agent, known, n=1)), known[0])
    file = folder / entries[like].file if ours else actor_path(folder, like)
    raise PolicyError(
        f"'{folder}' has no policy for unit '{agent}', {nearest(agent, known)} "
        f"(of a unit that was renamed: policies.{agent}={file})"
    )


def _sharing(compiled: Compiled, by: str) -> Compiled:
    """Return the scenario as if units shared their policies."""
    scenario = compiled.scenario
    learning = scenario.learning.model_copy(update={"parameter_sharing": by})
    config = scenario.config.model_copy(update={"learning_config": learning})
    return compile_scenario(replace(scenario, config=config))


def _check_kinds(compiled: Compiled, policies: Mapping[str, ActorStack], source: Path) -> None:
    """Refuse policies on a ladder for bidders without one, and the other way round.

    :param compiled: scenario
    :param policies: by agent
    :param source: of the policies
    :raises PolicyError: with the bidder that goes with them
    """
    bidders = learned_bidders(compiled)
    for agent, stack in policies.items():
        bidder, on_ladder = bidders[agent], head_of(stack.head).rungs > 0
        if on_ladder == (bidder.action.rungs > 0):
            continue
        plain = (bidder.bidder.name,) if isinstance(bidder, OnLadder) else ()
        instead = " or ".join(on_ladders(bidder) if on_ladder else plain)
        market, unit = next(
            (m, u) for m, own in compiled.agents.items() for u, name in own.items() if name == agent
        )
        asks, does = KINDS if on_ladder else reversed(KINDS)
        raise PolicyError(
            f"'{source}': the policy of unit '{agent}' chooses {does}, but its bidder "
            f"{bidder.name} asks for {asks}: choose a study case where the unit bids as in the "
            f"training{f', or set units.{unit}.bidding_{market} to {instead}' if instead else ''}"
        )


def _fitting(
    compiled: Compiled,
    policies: Mapping[str, ActorStack],
    source: Path,
    entries: Mapping[str, PolicyEntry | None],
    manifest: PolicyManifest | None,
) -> dict[str, ActorStack]:
    """Return policies adapted by the names of features to these bidders' observations.

    :raises PolicyError: they are made for other bidders
    """
    specs = learner_specs(compiled)
    _check_kinds(compiled, policies, source)
    fitting, unread = dict(policies), None
    for unit, stack in policies.items():
        try:
            fitting[unit] = read_as(stack, entries.get(unit), specs[unit])
        except PolicyError as error:
            unread = unread or f"'{source}': the policy of unit '{unit}' {error}"
    check_fit(
        fitting.values(),
        [specs[unit] for unit in policies],
        source,
        manifest=manifest,
        settings=compiled.scenario.learning.policy_settings,
    )
    if unread is not None:
        raise PolicyError(unread)
    return fitting
