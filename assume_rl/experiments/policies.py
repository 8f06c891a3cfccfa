"""The policies that bidders of a study case act on or start from."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.episodes.teams import bidder_spec
from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.experiments.outputs import POLICIES, read_manifest
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.policies.files import check_folder
from assume_rl.learning.policies.folder import (
    check_fit,
    entry_of,
    load_policies,
    load_policy,
    read_as,
)
from assume_rl.learning.policies.manifest import Manifest as PolicyManifest
from assume_rl.learning.policies.manifest import PolicyEntry
from assume_rl.learning.types import AgentSpec
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.types import Scenario


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
    """Return what a policy of each learning agent must look like."""
    return {
        agent: bidder_spec(agent, own, shared=compiled.shared.get(agent))
        for agent, own in learned_bidders(compiled).items()
    }


def named_policies(compiled: Compiled) -> dict[str, ActorStack]:
    """The policies that the study case names unit by unit."""
    named = compiled.scenario.config.policies
    policies: dict[str, ActorStack] = {}
    for unit, path in named.items():
        name = compiled.policy(unit)
        own = replace(load_policy(Path(path), name), unit_ids=(unit,))
        entries = {unit: entry_of(Path(path), name)}
        policies |= _fitting(compiled, {unit: own}, Path(path), entries, None)
    return policies


def folder_policies(compiled: Compiled, folder: Path, units: list[str]) -> dict[str, ActorStack]:
    """The policies of `units`, shared or not, in a folder of our layout or of ASSUME's."""
    names = {unit: compiled.policy(unit) for unit in units}
    loaded = load_policies(policy_folder(folder), unit_ids=tuple(dict.fromkeys(names.values())))
    single = {name: stack.select([name]) for stack in loaded.actors for name in stack.unit_ids}
    policies = {unit: replace(single[name], unit_ids=(unit,)) for unit, name in names.items()}
    known = {} if loaded.manifest is None else loaded.manifest.units
    entries = {unit: known.get(name) for unit, name in names.items()}
    return _fitting(compiled, policies, folder, entries, loaded.manifest)


def policy_sources(scenario: Scenario, folder: Path | str | None) -> tuple[Path, ...]:
    """Everything that policies are read from: `folder` and what the study case names."""
    named = (folder, scenario.learning.trained_policies_load_path)
    return tuple(Path(p) for p in (*named, *scenario.config.policies.values()) if p is not None)


def policy_folder(folder: Path) -> Path:
    """`folder`, or the last policies of the training that it holds.

    :raises PolicyError: it is the output folder of a run that has no policies.
    """
    for last in (folder / POLICIES / "last", folder / "last"):
        if last.is_dir():
            return last
    # The manifest of a run; policies have one of another kind.
    if "simulation" in read_manifest(folder):
        raise PolicyError(f"'{folder}' is the output folder of a run, but it holds no policies")
    return folder


def all_policies(compiled: Compiled, folder: Path | str | None) -> dict[str, ActorStack]:
    """A policy for every learning bidder.

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


def _fitting(
    compiled: Compiled,
    policies: Mapping[str, ActorStack],
    source: Path,
    entries: Mapping[str, PolicyEntry | None],
    manifest: PolicyManifest | None,
) -> dict[str, ActorStack]:
    """Return policies as they read what these bidders observe, by the names of features.

    :raises PolicyError: they are made for other bidders
    """
    specs = learner_specs(compiled)
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
