"""Play an episode on fixed policies and keep some of its tables in memory, on either shell."""

from collections.abc import Mapping

from assume_rl.agents.world import World
from assume_rl.core.team import Policy
from assume_rl.envs.record import play_recorded
from assume_rl.experiments.engine_choice import choose_engine
from assume_rl.experiments.loop import complete
from assume_rl.experiments.sinks import Discard
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled


def played_in_memory(
    compiled: Compiled, policies: Mapping[str, Policy], seed: int, tables: frozenset[str]
) -> MemorySink:
    """Return tables of an episode, played in the batch shell wherever that can.

    :param compiled: study case
    :param policies: of all learned bidders, by agent
    :param seed: of ties and draws
    :param tables: that are kept
    """
    memory = MemorySink()
    sink = Discard(memory, tables)
    if choose_engine("auto", compiled, default="batch")[0] == "batch":
        play_recorded(compiled, seed=seed, policies=policies, sink=sink, tables=tables)
    else:
        world = World(compiled, seed=seed, policies=policies)
        complete(world.run_episode(0, sink=sink))
    return memory
