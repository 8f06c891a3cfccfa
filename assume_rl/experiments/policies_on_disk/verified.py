"""Whether policies are whole, and whether the units of a study case can act by them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assume_rl.errors import AssumeRlError, PolicyError, nearest
from assume_rl.experiments.policies import folder_policies, named_policies
from assume_rl.experiments.policies_on_disk.saved import SavedPolicy
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.experiments.provenance import MADE_FOR, other_unit, other_units
from assume_rl.experiments.scales import compiled_to_play
from assume_rl.learning.nets.moments import STATISTICS
from assume_rl.learning.policies import assume_layout
from assume_rl.learning.policies.folder import load_policies
from assume_rl.learning.policies.manifest import Manifest, file_name, read_manifest
from assume_rl.learning.policies.places import check_folder, find, is_assume_layout
from assume_rl.learning.policies.trainer_state import FILE, load_trainer_state
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.types import Scenario


@dataclass(frozen=True)
class Verified:
    """The findings.

    :param folder: that was looked into
    :param policies: that were
    :param size: of their files, bytes
    :param problems: a sentence each; policies with one are not to be used
    :param notes: likewise, of what is worth knowing and does no harm
    """

    folder: Path
    policies: int
    size: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def verified(folder: Path, scenario: Scenario | None = None) -> Verified:
    """Check every policy of a folder and report all problems, not only the first.

    :param folder: of policies, or of a training, of which it is the last ones
    :param scenario: study case whose units are to act by them; None: they are only looked into
    :raises PolicyError: there are no policies
    """
    check_folder(folder)
    place = policy_folder(folder)
    manifest = None if is_assume_layout(place) else read_manifest(place)
    names = assume_layout.unit_ids(place) if manifest is None else tuple(manifest.units)
    paths = {
        name: assume_layout.actor_path(place, name)
        if manifest is None
        else find(place, file_name(name))
        for name in names
    }
    problems = [problem for name in names for problem in _of_policy(place, manifest, name)]
    notes = list(_beside(place, manifest))
    if (state := place / FILE).is_file():
        problems += _of_trainer_state(state.parent)
    if scenario is not None:
        wrong, said = _fit(place, manifest, names, scenario)
        problems += [one for one in wrong if one not in problems]
        notes += said
    size = sum(path.stat().st_size for path in paths.values() if path.is_file())
    return Verified(place, len(names), size, tuple(problems), tuple(notes))


def _of_policy(place: Path, manifest: Manifest | None, name: str) -> Iterator[str]:
    """Yield the problems of one policy."""
    try:
        (actor,) = load_policies(place, unit_ids=(name,)).actors
    except PolicyError as error:
        yield str(error)
        return
    entry = None if manifest is None else manifest.units[name]
    policy = SavedPolicy(name, actor, entry, manifest)
    yield from (f"'{place}': the policy of '{name}' {what}" for what in _wrong(policy))


def _wrong(policy: SavedPolicy) -> Iterator[str]:
    """Yield the problems of a policy that can be read, without its name."""
    state, entry = policy.actor.weights, policy.entry
    if policy.actor.normalises and bool((state[STATISTICS[2]] < 0).any()):
        yield f"has a negative {STATISTICS[2]}"
    kinds = {str(w.dtype).removeprefix("torch.") for n, w in state.items() if n not in STATISTICS}
    if entry is None:
        return
    if kinds != {entry.dtype}:
        yield f"has weights of type {', '.join(sorted(kinds))}, its manifest says {entry.dtype}"
    if policy.actor.normalises != entry.normalised:
        yield f"{'has' if policy.actor.normalises else 'lacks'} statistics, unlike its manifest"
    size = sum(feature[1] for feature in entry.features)
    if entry.features and size != entry.obs_size:
        yield f"observes {entry.obs_size} numbers, but its features are {size}"
    if entry.file != file_name(policy.name):
        yield f"is in the file '{entry.file}' by its manifest, not in '{file_name(policy.name)}'"
    for key, bounds in (
        ("residual_load", entry.scales.residual_load),
        ("price_forecast", entry.scales.price_forecast),
    ):
        if bounds is not None and not bounds[0] <= bounds[1]:
            yield f"reads {key} on a scale from {bounds[0]:g} to {bounds[1]:g}"


def _beside(place: Path, manifest: Manifest | None) -> Iterator[str]:
    """Yield which files of a folder are no policies of its manifest."""
    if manifest is None:
        yield f"'{place}' is in ASSUME's layout: it has no hashes, and says nothing of features"
        return
    known = {file_name(name) for name in manifest.units} | {FILE}
    for path in sorted(place.glob("*.safetensors")):
        if path.name not in known:
            yield f"'{path}' is not in the manifest, and is not read"


def _of_trainer_state(folder: Path) -> list[str]:
    try:
        load_trainer_state(folder)
    except PolicyError as error:
        return [str(error)]
    return []


def _fit(
    place: Path, manifest: Manifest | None, names: tuple[str, ...], scenario: Scenario
) -> tuple[list[str], list[str]]:
    """Return which units of a study case cannot act by policies, and which policies none needs.

    :param place: of the policies
    :param manifest: of the policies; None: they are in ASSUME's layout
    :param names: of the policies
    :param scenario: study case
    """
    try:
        compiled = compiled_to_play(scenario, place)
        named = named_policies(compiled)
    except AssumeRlError as error:
        return [str(error)], []
    if not compiled.learners:
        return [f"study case '{scenario.case}' has no learning bidder"], []
    agents = [agent for agent in compiled.learners if agent not in named]
    problems = [p for agent in agents for p in _of_agent(compiled, place, names, agent)]
    owners = {agent: compiled.policy(agent) for agent in agents}
    others = other_units(compiled, manifest, owners)
    problems += [other_unit(place, agent, why) for agent, why in others.items()]
    idle = [name for name in names if name not in owners.values()]
    notes = [f"no unit here acts by the policies of {', '.join(idle)}"] if idle else []
    if manifest is not None and MADE_FOR not in manifest.extra:
        notes.append(f"'{place}' does not say which units its policies were trained for")
    return problems, notes


def _of_agent(compiled: Compiled, place: Path, names: tuple[str, ...], agent: str) -> Iterator[str]:
    """Yield why a unit cannot act by its policy."""
    if compiled.policy(agent) not in names and agent not in compiled.shared:
        yield f"'{place}' has no policy for unit '{agent}', {nearest(agent, names)}"
        return
    try:
        folder_policies(compiled, place, [agent])
    except PolicyError as error:
        yield str(error)
