"""Policies on disk: one safetensors file per actor and a manifest that describes them all.

A policy folder holds `<unit id>.safetensors` (the id percent-encoded), each the state dict of one
actor with linear layers as `(out, in)`, and `manifest.json`. The manifest names every file's unit,
sizes, features, architecture and hash; a file that it does not vouch for is not loaded. Folders in
ASSUME's layout (`assume_layout`) are read through the same functions. Critics and the rest of a
learner are kept apart (`trainer_state`): a scenario runs on a policy folder alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch

from assume_rl.errors import PolicyError, nearest
from assume_rl.learning.nets.heads import head_of
from assume_rl.learning.nets.layers import ACTIVATIONS
from assume_rl.learning.nets.linear import linear_layers
from assume_rl.learning.nets.moments import STATISTICS
from assume_rl.learning.nets.stack import ActorStack, Weights
from assume_rl.learning.nets.transfer import (
    read_by_name,
    transfer,
    transfer_critic,
    transfer_critics,
)
from assume_rl.learning.nets.trunks import architecture_of, trunk_of
from assume_rl.learning.policies import assume_layout
from assume_rl.learning.policies.assume_layout import save_assume_layout
from assume_rl.learning.policies.files import (
    check_weights,
    parse_safetensors,
    read_file,
    sha256,
    write_set,
)
from assume_rl.learning.policies.manifest import (
    Manifest,
    PolicyEntry,
    file_name,
    package_version,
    read_manifest,
)
from assume_rl.learning.policies.places import MANIFEST, check_folder, find, is_assume_layout
from assume_rl.learning.policies.trainer_state import load_trainer_state, save_trainer_state
from assume_rl.learning.types import AgentSpec

__all__ = [
    "LoadedPolicies",
    "Manifest",
    "check_fit",
    "entry_of",
    "load_policies",
    "load_policy",
    "load_trainer_state",
    "read_as",
    "read_manifest",
    "save_assume_layout",
    "save_policies",
    "save_trainer_state",
    "source_of",
    "transfer",
    "transfer_critic",
    "transfer_critics",
]


@dataclass(frozen=True)
class LoadedPolicies:
    """Actors read from a folder, one stack per shape; `specs` in the order of the units.

    ASSUME's layout records no features and no private sizes: `specs` is empty, `manifest` None.
    """

    actors: tuple[ActorStack, ...]
    specs: tuple[AgentSpec, ...] = ()
    manifest: Manifest | None = None


class _Policy(NamedTuple):
    unit_id: str
    architecture: str
    head: str
    unique_size: int
    state: Weights
    activation: str = "relu"


def save_policies(
    folder: Path,
    actors: Iterable[ActorStack],
    specs: Sequence[AgentSpec],
    *,
    algorithm: str,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write a policy folder: the whole set or, if that fails or is cut short, nothing of it.

    :param folder: to write
    :param actors: by names of policies
    :param specs: of the agents that act by them
    :param algorithm: that trained them
    :param extra: anything that JSON can hold, kept in the manifest
    :raises PolicyError: the folder cannot be written
    """
    known = {spec.policy: spec for spec in specs}
    files: dict[str, bytes] = {}
    units: dict[str, PolicyEntry] = {}
    for actor in actors:
        for unit in actor.unit_ids:
            state = actor.module_state(unit)
            name = file_name(unit)
            files[name] = safetensors.torch.save(state)
            units[unit] = _entry(known[unit], name, actor, files[name])
    manifest = Manifest(
        package_version=package_version(),
        algorithm=algorithm,
        units=units,
        extra=dict(extra or {}),
    )
    write_set(Path(folder), files, manifest.model_dump_json(indent=2).encode())


def load_policies(folder: Path, *, unit_ids: Sequence[str] | None = None) -> LoadedPolicies:
    """Read the policies of `unit_ids` (None: all) from a folder in our layout or in ASSUME's.

    Raises `PolicyError`, with one sentence, if anything is missing, damaged, changed since it was
    saved, pickled with more than tensors, or written in a newer format.
    """
    folder = Path(folder)
    check_folder(folder)
    if is_assume_layout(folder):
        units = assume_layout.unit_ids(folder) if unit_ids is None else unit_ids
        paths = [assume_layout.actor_path(folder, unit) for unit in units]
        return LoadedPolicies(_stacks([_read_pt(p, u) for p, u in zip(paths, units, strict=True)]))
    manifest = read_manifest(folder)
    units = tuple(manifest.units) if unit_ids is None else unit_ids
    policies = [_read(folder, manifest, unit) for unit in units]
    return LoadedPolicies(_stacks(policies), tuple(_spec(manifest, u) for u in units), manifest)


def load_policy(path: Path, unit_id: str) -> ActorStack:
    """Return one unit's actor, from a policy folder or from one actor's file.

    A file may belong to another unit: its policy then acts for `unit_id`.
    """
    path = Path(path)
    if path.is_dir() or not path.suffix:
        return load_policies(path, unit_ids=(unit_id,)).actors[0]
    if path.suffix == ".pt":
        return _stacks([_read_pt(path, unit_id)])[0]
    read_file(path)
    manifest = read_manifest(path.parent)
    owners = [unit for unit, entry in manifest.units.items() if entry.file == path.name]
    if not owners:
        raise PolicyError(f"policy file '{path}' is not listed in the {MANIFEST} beside it")
    return _stacks([_read(path.parent, manifest, owners[0])._replace(unit_id=unit_id)])[0]


def entry_of(path: Path, unit_id: str) -> PolicyEntry | None:
    """Return a manifest's entry on a policy; None: no such policy, or no manifest.

    :param path: a policy folder, or one actor's file, which may belong to another unit
    :param unit_id: whose policy it is in a folder
    :raises PolicyError: there is no manifest, or it is damaged
    """
    manifest, name = source_of(path, unit_id)
    return None if manifest is None else manifest.units.get(name)


def source_of(path: Path, unit_id: str) -> tuple[Manifest | None, str]:
    """Return the manifest that vouches for a policy, if there is one, and its name there.

    :param path: a policy folder, or one actor's file, which may belong to another unit
    :param unit_id: whose policy it is in a folder
    :raises PolicyError: there is no manifest, or it is damaged
    """
    path = Path(path)
    folder = path if path.is_dir() or not path.suffix else path.parent
    if path.suffix == ".pt" or is_assume_layout(folder):
        return None, unit_id
    manifest = read_manifest(folder)
    if folder == path:
        return manifest, unit_id
    owners = (name for name, entry in manifest.units.items() if entry.file == path.name)
    return manifest, next(owners, "")


def read_as(stack: ActorStack, entry: PolicyEntry | None, spec: AgentSpec) -> ActorStack:
    """Return one unit's policy for the observations that a unit has here.

    :param stack: of one unit
    :param entry: what its manifest says; None: it has none, and is read as it is
    :param spec: of the unit here
    :raises PolicyError: it reads what is not observed, without the source and the unit
    """
    if entry is None or not entry.features or entry.features == spec.features:
        return stack
    (unit,) = stack.unit_ids
    state = read_by_name(
        stack.architecture, stack.module_state(unit), entry.features, spec.features
    )
    return ActorStack.of({unit: state}, stack.head, stack.architecture, stack.activation)


def check_fit(
    actors: Iterable[ActorStack],
    specs: Sequence[AgentSpec],
    source: Path,
    *,
    manifest: Manifest | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Raise `PolicyError` unless every agent of `specs` has an actor of its sizes.

    Features: see `read_as`.

    :param actors: by names of policies
    :param specs: of the agents
    :param source: of the actors, for messages
    :param manifest: of the actors; None: settings are not checked
    :param settings: `LearningConfig.policy_settings`, which must be those of the training;
        settings that one side lacks are not checked
    """
    found = {unit: stack for stack in actors for unit in stack.unit_ids}
    for spec in specs:
        if spec.unit_id not in found:
            raise PolicyError(_unknown_unit(source, spec.unit_id, found))
        _check_rungs(source, spec, head_of(found[spec.unit_id].head).rungs)
        sizes = found[spec.unit_id].sizes(spec.unique_size)
        _check_sizes(source, spec.unit_id, (spec.obs_size, spec.act_size), sizes)
    trained = {} if manifest is None else manifest.extra
    for key, here in (settings or {}).items():
        if key in trained and trained[key] != here:
            raise PolicyError(
                f"'{source}': the policies were trained with {key} {_plain(trained[key])}, here it "
                f"is {_plain(here)}, which would change what they see or bid"
            )


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_rungs(source: Path, spec: AgentSpec, found: int) -> None:
    if found != spec.rungs:
        here, there = (f"one of {n} rungs" if n else "any number" for n in (spec.rungs, found))
        raise PolicyError(
            f"'{source}': the policy of unit '{spec.unit_id}' chooses {there} per entry of its "
            f"action, expected {here} (rungs, rung_prices, rungs_at in bidding_strategy_params)"
        )


def _entry(spec: AgentSpec, file: str, actor: ActorStack, content: bytes) -> PolicyEntry:
    obs_size, act_size = actor.sizes(spec.unique_size)
    return PolicyEntry(
        file=file,
        architecture=actor.architecture,
        head=actor.head,
        activation=actor.activation,
        normalised=actor.normalises,
        dtype=str(actor.dtype).removeprefix("torch."),
        obs_size=obs_size,
        act_size=act_size,
        unique_size=spec.unique_size,
        features=spec.features,
        scales=spec.scales,
        sha256=sha256(content),
    )


def _spec(manifest: Manifest, unit: str) -> AgentSpec:
    entry = manifest.units[unit]
    sizes = (entry.obs_size, entry.act_size, entry.unique_size)
    rungs = head_of(entry.head).rungs
    return AgentSpec(unit, *sizes, entry.features, rungs, scales=entry.scales)


def _read(folder: Path, manifest: Manifest, unit: str) -> _Policy:
    if unit not in manifest.units:
        raise PolicyError(_unknown_unit(folder, unit, manifest.units))
    entry = manifest.units[unit]
    path = find(folder, file_name(unit))
    content = read_file(path)
    if sha256(content) != entry.sha256:
        parse_safetensors(content, path)  # says more of a file that is no safetensors at all
        raise PolicyError(
            f"policy file '{path}' was changed since it was saved: its sha256 is not the one in "
            f"{MANIFEST}"
        )
    try:
        head_of(entry.head)
    except PolicyError as error:
        raise PolicyError(f"policy file '{path}': {error}") from None
    _check_known(path, "activation", entry.activation, ACTIVATIONS)
    tensors = parse_safetensors(content, path)
    check_weights(tensors, path)
    state = _checked(tensors, path, entry.architecture)
    policy = _Policy(
        unit, entry.architecture, entry.head, entry.unique_size, state, entry.activation
    )
    found = _stacks([policy])[0].sizes(entry.unique_size)
    _check_sizes(path, unit, (entry.obs_size, entry.act_size), found)
    for name in STATISTICS[1:]:
        if name in state and state[name].shape != found[:1]:
            entries = "x".join(map(str, state[name].shape))
            raise PolicyError(
                f"policy file '{path}': {name} is of {entries} entries, not {found[0]}"
            )
    return policy


def _read_pt(path: Path, unit: str) -> _Policy:
    """Return one unit's actor in ASSUME's layout, whose kind follows from its parameters."""
    state = assume_layout.read_actor(path)
    architecture = architecture_of(state)
    return _Policy(unit, architecture, "softsign", 0, _checked(state, path, architecture))


def _checked(state: Weights, path: Path, architecture: str) -> Weights:
    """Return the state dict with its parameters in order, if they form a network."""
    try:
        trunk = trunk_of(architecture)
    except PolicyError as error:
        raise PolicyError(f"policy file '{path}': {error}") from None
    # In the order of the trunk, which a safetensors file does not keep.
    names = trunk.names(linear_layers(state) or len(trunk.hidden) + 1)
    if any(name in state for name in STATISTICS):
        names = [*names, *STATISTICS]
    if set(state) != set(names):
        raise PolicyError(
            f"policy file '{path}' holds {', '.join(sorted(state)) or 'nothing'}, expected "
            f"{', '.join(names)}"
        )
    ordered = {name: state[name] for name in names}
    if not trunk.fits(ordered):
        sizes = ", ".join(f"{name} {tuple(w.shape)}" for name, w in ordered.items())
        raise PolicyError(f"policy file '{path}': layers do not fit each other: {sizes}")
    return ordered


def _check_known(path: Path, key: str, value: str, registry: Mapping[str, object]) -> None:
    if value not in registry:
        hint = nearest(value, registry)
        raise PolicyError(f"policy file '{path}': unknown {key} '{value}', {hint}")


def _check_sizes(
    source: Path, unit: str, expected: tuple[int, int], found: tuple[int, int]
) -> None:
    if found != expected:
        raise PolicyError(
            f"'{source}': the policy of unit '{unit}' takes {found[0]} observations and gives "
            f"{found[1]} actions, expected {expected[0]} and {expected[1]}"
        )


def _stacks(policies: Sequence[_Policy]) -> tuple[ActorStack, ...]:
    """Return one stack per shape, in the order of first appearance."""
    groups: dict[Any, dict[str, Weights]] = {}
    for own in policies:
        shapes = tuple((name, w.shape, w.dtype) for name, w in own.state.items())
        key = (own.head, own.architecture, own.activation, own.unique_size, shapes)
        groups.setdefault(key, {})[own.unit_id] = own.state
    return tuple(ActorStack.of(states, *key[:3]) for key, states in groups.items())


def _unknown_unit(source: Path, unit: str, known: Iterable[str]) -> str:
    return f"'{source}' has no policy for unit '{unit}', {nearest(unit, known)}"
