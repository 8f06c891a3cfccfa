"""Cross-play: how policies of one training do among those of another.

Of two sets, a unit acts by its policy of the first, and all its rivals by theirs of the second; so
one after the other does. A set that does well only among the policies that it was trained with has
learned these rivals, not the market (Lanctot et al. 2017, arXiv:1711.00832).
"""

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from assume_rl.errors import ConfigurationError
from assume_rl.evaluation.exploitability import Exploitability, Response, exploitability
from assume_rl.experiments.bounds import AT_THE_END, responses
from assume_rl.experiments.evaluate import KEPT
from assume_rl.experiments.in_memory import played_in_memory
from assume_rl.experiments.outputs import versions
from assume_rl.experiments.policies import all_policies
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.experiments.scales import compiled_to_play
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.policies.places import check_folder
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.types import Scenario


@dataclass(frozen=True)
class Pairing:
    """The earnings of units by the policies of one set, each alone among rivals of another.

    :param own: name of the set that the unit acts by
    :param rivals: name of the set that all others act by; the same: a set among itself
    :param units: what each earned, and could have
    """

    own: str
    rivals: str
    units: tuple[Response, ...]

    @property
    def profit(self) -> float:
        """Sum over the units, EUR."""
        return sum(unit.profit for unit in self.units)

    @property
    def exploitability(self) -> Exploitability:
        """Return how much the units could still gain, each alone."""
        return exploitability(self.units)


def names_of(folders: Sequence[Path]) -> dict[str, Path]:
    """Return a letter for each folder.

    :raises ConfigurationError: there are fewer than two, more than letters, or one comes twice
    """
    if len(folders) < 2:
        raise ConfigurationError("cross-play is between two sets of policies or more: name them")
    if len(folders) > len(string.ascii_uppercase):
        raise ConfigurationError(f"{len(folders)} sets are too many, at most 26 can be told apart")
    for k, folder in enumerate(folders):
        check_folder(folder)
        if policy_folder(folder).resolve() in {policy_folder(f).resolve() for f in folders[:k]}:
            raise ConfigurationError(f"'{folder}' is named twice")
    return dict(zip(string.ascii_uppercase, folders, strict=False))


def learners_of(scenario: Scenario) -> tuple[str, ...]:
    """Return the agents that play: those that the study case names no policy for.

    :raises ConfigurationError: there are fewer than two
    """
    agents = compile_scenario(scenario).learners
    found = tuple(agent for agent in agents if agent not in scenario.config.policies)
    if len(found) < 2:
        raise ConfigurationError(
            f"cross-play needs two learning bidders or more, study case '{scenario.case}' has "
            f"{len(found)}: assume-rl evaluate scores the policies of a single one"
        )
    return found


def pairings(
    scenario: Scenario, sets: Mapping[str, Path], seed: int, most: int | None = AT_THE_END
) -> Iterator[Pairing]:
    """Play every set among every other, and among itself; yield each pairing once it is played.

    :param scenario: study case with two learners or more
    :param sets: folders of policies, by name
    :param seed: of ties and of policies that draw; the same in all episodes
    :param most: work for best responses in an episode, see `bounds.responses`; None: any
    :raises AssumeRlError: a unit has no policy that fits
    """
    agents = learners_of(scenario)
    places = {name: policy_folder(folder) for name, folder in sets.items()}
    # Whatever does not fit is said before anything is played.
    known = {
        name: all_policies(compiled_to_play(scenario, place), place)
        for name, place in places.items()
    }
    for own in sets:
        for rivals in sets:
            if own == rivals:
                compiled = compiled_to_play(scenario, places[own])
                yield Pairing(own, own, responses_of(compiled, known[own], seed, agents, most))
                continue
            found: list[Response] = []
            for agent in agents:
                compiled = _seated(scenario, places[own], places[rivals], agent)
                policies = known[rivals] | {agent: known[own][agent]}
                found += responses_of(compiled, policies, seed, (agent,), most)
            yield Pairing(own, rivals, tuple(found))


def _seated(scenario: Scenario, own: Path, rivals: Path, agent: str) -> Compiled:
    """Return a study case in which an agent acts by one set and all others by another.

    Each sees on the scales of its own policy, where the study case asks for that.
    """
    named = {**scenario.config.policies, agent: str(own)}
    case = replace(scenario, config=scenario.config.model_copy(update={"policies": named}))
    return compiled_to_play(case, rivals)


def responses_of(
    compiled: Compiled,
    policies: Mapping[str, ActorStack],
    seed: int,
    agents: Sequence[str],
    most: int | None,
) -> tuple[Response, ...]:
    """Play an episode; return some learners' earnings, and possible earnings.

    :param compiled: study case
    :param policies: of all learned bidders, by agent
    :param seed: of ties and draws
    :param agents: asked about
    :param most: see `bounds.responses`
    """
    memory = played_in_memory(compiled, policies, seed, KEPT)
    return responses(compiled, memory, most, policies, seed, beside=False, of=agents)


def summary(
    scenario: Scenario, sets: Mapping[str, Path], seed: int, found: Sequence[Pairing]
) -> dict[str, Any]:
    """Return a cross-play as plain data.

    :param scenario: study case
    :param sets: folders by name
    :param seed: of the episodes
    :param found: all pairings
    """
    alone = {pair.own: pair.profit for pair in found if pair.own == pair.rivals}
    return {
        "scenario": scenario.name,
        "case": scenario.case,
        "seed": seed,
        "sets": {name: str(folder) for name, folder in sets.items()},
        "versions": versions(),
        "rows": [
            {
                "own": pair.own,
                "rivals": pair.rivals,
                "profit": pair.profit,
                "gain": pair.profit - alone[pair.rivals],
                **asdict(pair.exploitability),
                "units": [asdict(unit) for unit in pair.units],
            }
            for pair in found
        ],
    }
