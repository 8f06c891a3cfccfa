"""Settings of algorithms: the keys of `learning_config` that only some of them read."""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from assume_rl.learning.config.schedules import AnySchedule, KlAdaptive
from assume_rl.truth_values import WithoutTruthValues

MOST = 10**12
"""The largest number of steps, rows, episodes, ...: larger ones mean nothing to any computer."""
MOST_ROUNDS = 10**4
"""The largest number of what is done one after the other in every update."""
LayerNoise = Literal["factorised", "independent"]
"""How the noise of linear layers is drawn."""


class AlgorithmConfig(WithoutTruthValues):
    """Settings of one algorithm."""

    on_policy: ClassVar[bool] = False
    """Whether each transition is learned from once, by the policy that made it."""
    usual_rates: ClassVar[Mapping[str, KlAdaptive]] = {}
    """How learning rates change, by name of networks, where nothing is said."""
    learns_sequences: ClassVar[bool] = False
    """Whether all steps of windows are learned from, which needs actors with memory."""

    @property
    def needs_earnings(self) -> bool:
        """Return whether the range of agents' earnings must be known."""
        return False

    @property
    def needs_curves(self) -> bool:
        """Return whether transitions keep the reward that every rung would have given."""
        return False

    @property
    def needs_next(self) -> bool:
        """Return whether they also keep the next observation after every rung."""
        return False

    @property
    def least_memory(self) -> float:
        """Return the share of a training's transitions, the latest, that should be remembered."""
        return 0.0

    @property
    def transitions_first(self) -> int:
        """Return the number of transitions before which nothing is learned."""
        return 1

    @property
    def recordable(self) -> bool:
        """Return whether updates may be CUDA graphs: nothing is read back, nothing copied there."""
        return False

    @property
    def period(self) -> int:
        """Return the gradient steps after which updates do the same again, as `Work.done` says."""
        return 1

    @property
    def schedules(self) -> Mapping[str, tuple[float, AnySchedule]]:
        """Return numbers of updates that change over training: name -> at the start, and how."""
        return {}

    @property
    def one_trunk(self) -> bool:
        """Return whether an agent's value is an output of its actor's network."""
        return False

    @property
    def temperature_of_choice(self) -> tuple[float, AnySchedule]:
        """Return the divisor of outputs before actions are drawn, and its schedule."""
        return 1.0, None

    @property
    def share_of_random(self) -> tuple[float, AnySchedule] | None:
        """Return how often any legal rung is taken in place of the best; None: rungs are drawn."""
        return None

    @property
    def ladder_head(self) -> str | None:
        """Return the head of actors on a ladder, if settings choose it; None: they do not."""
        return None

    @property
    def layer_noise(self) -> LayerNoise | None:
        """Return the noise of the actor's linear layers in training; None: they have none."""
        return None

    @property
    def two_networks(self) -> bool:
        """Return whether there is a second network like the actor, which does not act."""
        return False

    @property
    def of_networks(self) -> tuple[str, ...]:
        """Return settings, in words, without which saved networks mean something else."""
        return ()

    @property
    def unread(self) -> frozenset[str]:
        """Return which of these settings are not read, the others being as they are."""
        return frozenset()

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class OffPolicyConfig(AlgorithmConfig):
    """How off-policy algorithms draw from the transitions that they keep."""

    sampling: Literal["uniform", "prioritised"] = "uniform"
    """Draw all transitions alike, or those with large errors more often (off-policy)."""
    priority_exponent: float = Field(0.6, ge=0, le=1)
    """How much more often: 0 is uniform (prioritised)."""
    importance_exponent: float = Field(0.4, ge=0, le=1)
    """How far weights make up for it at the start; 1 at the end of training (prioritised)."""
    learning_starts: int = Field(0, ge=0, le=MOST)
    """Transitions before the first update, beside the initial episodes (off-policy)."""
    n_step: int = Field(1, gt=0, le=MOST_ROUNDS)
    """Rewards summed before the value of what follows is taken; 24 in a2c (off-policy, a2c)."""

    @property
    def transitions_first(self) -> int:
        """Return `learning_starts`, at least one."""
        return max(self.learning_starts, 1)

    @property
    def unread(self) -> frozenset[str]:
        """Return the exponents of priorities, unless there are some."""
        exponents = frozenset({"priority_exponent", "importance_exponent"})
        return exponents if self.sampling == "uniform" else frozenset()


class MovingTargets(AlgorithmConfig):
    """How target networks move."""

    tau: float = Field(0.005, ge=0, le=1)
    """Share by which targets move towards the online networks."""
    target_interval: int = Field(1, gt=0, le=MOST)
    """Gradient steps between two moves of targets; with `tau: 1` each move is a copy."""

    @property
    def period(self) -> int:
        """Return the steps between two moves."""
        return self.target_interval


class TargetsConfig(MovingTargets, OffPolicyConfig):
    """Settings of off-policy algorithms with target networks."""


class ClippedTargets(AlgorithmConfig):
    """Whether targets are kept where values can be."""

    clip_targets: bool = False
    """Keep target values in what prices and the episode allow (matd3, itd3, maddpg, iddpg, dqn,
    q_learning, qrdqn, r2d2)."""

    @property
    def needs_earnings(self) -> bool:
        """Return whether targets are clipped."""
        return self.clip_targets


class DdpgConfig(ClippedTargets, TargetsConfig):
    """Settings of MADDPG and of independent DDPG."""

    @property
    def recordable(self) -> bool:
        """Return True."""
        return True


class Td3Config(DdpgConfig):
    """Settings of MATD3 and of independent TD3."""

    policy_delay: int = Field(2, gt=0, le=MOST)
    """Critic steps per actor step (matd3, itd3)."""
    target_policy_noise: float = Field(0.2, ge=0)
    """Standard deviation of the noise on target actions (matd3, itd3)."""
    target_noise_clip: float = Field(0.5, ge=0)
    """Limit of that noise (matd3, itd3)."""
    target_noise_schedule: AnySchedule = None
    """How `target_policy_noise` changes over training; None: not at all (matd3, itd3)."""

    @property
    def period(self) -> int:
        """Return the steps after which actors and targets move together again."""
        return math.lcm(self.policy_delay, self.target_interval)

    @property
    def schedules(self) -> Mapping[str, tuple[float, AnySchedule]]:
        """Return the noise on target actions."""
        return {"target_policy_noise": (self.target_policy_noise, self.target_noise_schedule)}


class SacConfig(TargetsConfig):
    """Settings of soft actor-critic."""

    target_entropy: float | None = None
    """Entropy of actions that the temperature keeps; None: -1 per entry (masac, isac)."""
    initial_temperature: float = Field(0.01, gt=0)
    """Temperature that training begins with: what entropy is worth in rewards (masac, isac)."""

    @property
    def recordable(self) -> bool:
        """Return True."""
        return True

    @property
    def of_networks(self) -> tuple[str, ...]:
        """Return the initial temperature, to which the learned number is the ratio."""
        return (f"initial_temperature: {self.initial_temperature:g}",)


class RungValuesConfig(ClippedTargets, TargetsConfig):
    """Settings of algorithms that learn the values of rungs."""

    double: Literal["main_chooses", "random_roles"] | None = None
    """Against overestimated targets: the main network chooses what the target values, or two
    networks learn in random roles; None: the target network does both (dqn, q_learning, qrdqn, and
    r2d2, where the main network chooses by default)."""

    @property
    def recordable(self) -> bool:
        """Return whether no layer is noisy: keys of their draws are copied to the device."""
        return self.layer_noise is None

    @property
    def two_networks(self) -> bool:
        """Return whether two networks learn in random roles."""
        return self.double == "random_roles"

    @property
    def of_networks(self) -> tuple[str, ...]:
        """Return whether there are two networks."""
        return ("double: random_roles",) if self.two_networks else ()


class DuelingConfig(RungValuesConfig):
    """Settings of those whose values may be put together."""

    dueling: bool = False
    """Put values of rungs together of one of the state and advantages (dqn, q_learning; by default
    r2d2)."""

    @property
    def ladder_head(self) -> str | None:
        """Return the head that puts values together."""
        return "dueling" if self.dueling else None

    @property
    def of_networks(self) -> tuple[str, ...]:
        """Return whether outputs are put together, too."""
        return (*super().of_networks, "dueling: true") if self.dueling else super().of_networks


class RandomRungsConfig(AlgorithmConfig):
    """How the best rungs are left for others in training."""

    noisy: LayerNoise | None = None
    """Explore by noise in linear layers that is learned, not by `epsilon` (dqn, qrdqn, r2d2)."""
    epsilon: float = Field(1.0, ge=0, le=1)
    """Share of decisions in which any legal rung is taken, at the start (dqn, qrdqn, r2d2)."""
    epsilon_schedule: AnySchedule = "polynomial"
    """How `epsilon` changes over training; None: not at all (dqn, qrdqn, r2d2)."""

    @property
    def share_of_random(self) -> tuple[float, AnySchedule] | None:
        """Return the share and how it changes; with noisy layers it is none."""
        return (self.epsilon, self.epsilon_schedule) if self.noisy is None else (0.0, None)

    @property
    def layer_noise(self) -> LayerNoise | None:
        """Return the noise."""
        return self.noisy

    @property
    def of_networks(self) -> tuple[str, ...]:
        """Return whether layers have spreads, too."""
        found = super().of_networks
        return found if self.noisy is None else (*found, f"noisy: {self.noisy}")

    @property
    def unread(self) -> frozenset[str]:
        """Return the share, too, where layers are noisy."""
        share = frozenset({"epsilon", "epsilon_schedule"})
        return super().unread | (share if self.noisy is not None else frozenset())


class DqnConfig(RandomRungsConfig, DuelingConfig):
    """Settings of deep Q-networks."""


class QrDqnConfig(RandomRungsConfig, RungValuesConfig):
    """Settings of deep Q-networks of quantiles."""

    quantiles: int = Field(32, ge=2, le=MOST)
    """Quantiles of what a rung brings that are learned (qrdqn)."""
    worst_share: float = Field(1.0, gt=0, le=1)
    """Share of the worst outcomes whose mean a rung is bid by (CVaR); 1: the mean (qrdqn)."""

    @property
    def ladder_head(self) -> str | None:
        """Return the head, which knows the share."""
        return f"quantile-{self.quantiles}-{self.worst_share!r}"

    @property
    def of_networks(self) -> tuple[str, ...]:
        """Return the number of quantiles and by which of them is bid, too."""
        own = f"quantiles: {self.quantiles}", f"worst_share: {self.worst_share!r}"
        return (*super().of_networks, *own)


class R2d2Config(RandomRungsConfig, DuelingConfig):
    """Settings of recurrent replay: double, dueling and prioritised unless it is said otherwise."""

    learns_sequences: ClassVar[bool] = True
    double: Literal["main_chooses"] | None = "main_chooses"
    """Against overestimated targets: the main network chooses what the target values; None: the
    target network does both."""
    dueling: bool = True
    """Put values of rungs together of one of the state and advantages."""
    sampling: Literal["uniform", "prioritised"] = "prioritised"
    """Draw all sequences alike, or those with large errors more often."""


class QLearningConfig(DuelingConfig):
    """Settings of Q-learning with draws by value."""

    temperature: float = Field(0.02, gt=0)
    """Rewards by which a rung may be worse and still be tried often, at the start (q_learning)."""
    temperature_schedule: AnySchedule = None
    """How `temperature` changes over training; None: not at all (q_learning)."""

    @property
    def temperature_of_choice(self) -> tuple[float, AnySchedule]:
        """Return the temperature: outputs are values, not logits."""
        return self.temperature, self.temperature_schedule


class CurvesConfig(AlgorithmConfig):
    """Settings of algorithms that learn from reward curves."""

    @property
    def needs_curves(self) -> bool:
        """Return True."""
        return True

    @property
    def unread(self) -> frozenset[str]:
        """Return the discount: a curve is of one auction."""
        return frozenset({"gamma"})


class FictitiousPlayConfig(CurvesConfig):
    """Settings of smooth fictitious play."""

    entropy_weight: float = Field(0.05, ge=0)
    """Weight of the entropy of choices; it falls with the square of what is left of training."""
    tie_break: float = Field(0.0, ge=0)
    """Cost of the highest rung above the lowest, in rewards; falls to 0 (fictitious_play)."""

    @property
    def recordable(self) -> bool:
        """Return True."""
        return True

    @property
    def least_memory(self) -> float:
        """Return a half: the best response to the latest bids alone runs in circles."""
        return 0.5

    @property
    def temperature_of_choice(self) -> tuple[float, AnySchedule]:
        """Return the remaining part of training: final draws equal the choices of evaluations.

        Rivals then answer that, too where an agent earns the same whatever it asks, so that
        nothing that it learns makes its draws less random.
        """
        return 1.0, "linear"


class CurveActorCriticConfig(MovingTargets, CurvesConfig):
    """Settings of the actor-critic on reward curves."""

    entropy_weight: float = Field(0.05, ge=0)
    """Weight of the entropy of choices; it falls with the square of what is left of training."""

    @property
    def needs_next(self) -> bool:
        """Return True."""
        return True

    @property
    def unread(self) -> frozenset[str]:
        """Return nothing: later rewards count."""
        return frozenset()


class MirrorDescentConfig(CurvesConfig):
    """Settings of magnetic mirror descent."""

    on_policy: ClassVar[bool] = True

    @property
    def recordable(self) -> bool:
        """Return True."""
        return True

    mirror_step: float = Field(20.0, gt=0)
    """Step in logits per reward at the start; it falls with what is left (mirror_descent)."""
    pull: float = Field(0.05, gt=0)
    """Pull towards the reference, in rewards per logit; a weak one circles (mirror_descent)."""
    reference_share: float = Field(0.1, ge=0, le=1)
    """Share by which references move to policies in an update, falling too (mirror_descent)."""
    passes: int = Field(10, gt=0, le=MOST_ROUNDS)
    """Gradient steps of networks to where an update leads (mirror_descent, regret_matching)."""


class RegretMatchingConfig(CurvesConfig):
    """Settings of regret matching."""

    on_policy: ClassVar[bool] = True

    @property
    def recordable(self) -> bool:
        """Return True."""
        return True

    passes: int = Field(10, gt=0, le=MOST_ROUNDS)
    """Gradient steps of networks to where an update leads (mirror_descent, regret_matching)."""


class PolicyGradientConfig(AlgorithmConfig):
    """Settings of REINFORCE and the vanilla policy gradient."""

    on_policy: ClassVar[bool] = True
    entropy_weight: float = Field(0.01, ge=0)
    """Weight of the entropy (mappo, ippo, a2c, vpg, reinforce; others: fictitious_play,
    curve_actor_critic, independent_curve_actor_critic)."""

    @property
    def recordable(self) -> bool:
        """Return True."""
        return True


class A2cConfig(PolicyGradientConfig):
    """Settings of advantage actor-critic."""

    usual_rates: ClassVar[Mapping[str, KlAdaptive]] = {"actor": KlAdaptive()}
    n_step: int = Field(24, gt=0, le=MOST_ROUNDS)
    """Rewards summed before the value of what follows is taken, window by window (a2c)."""
    shared_trunk: bool = False
    """Let actor and value share all layers but the last (a2c)."""
    value_weight: float = Field(0.5, gt=0)
    """Weight of the value's error in the loss of a shared trunk (a2c)."""

    @property
    def one_trunk(self) -> bool:
        """Return whether actor and value share a trunk."""
        return self.shared_trunk

    @property
    def of_networks(self) -> tuple[str, ...]:
        """Return whether actor and value share a trunk."""
        return ("actor and value with one trunk",) if self.shared_trunk else ()

    @property
    def unread(self) -> frozenset[str]:
        """Return the weight of the value, unless actor and value share a loss."""
        return frozenset() if self.shared_trunk else frozenset({"value_weight"})


class PpoConfig(PolicyGradientConfig):
    """Settings of proximal policy optimisation."""

    usual_rates: ClassVar[Mapping[str, KlAdaptive]] = {"actor": KlAdaptive()}
    gae_lambda: float = Field(0.95, ge=0, le=1)
    """How far advantages look ahead: 0 one transition, 1 to the end (mappo, ippo)."""
    clip_range: float = Field(0.2, gt=0)
    """How far a probability may move from the one an action was drawn with (mappo, ippo)."""
    clip_range_value: float = Field(0.0, ge=0)
    """How far a value may move in one update; 0: not clipped (mappo, ippo)."""
    epochs: int = Field(4, gt=0, le=MOST_ROUNDS)
    """Passes over the transitions of an update (mappo, ippo)."""
    minibatches: int = Field(4, gt=0, le=MOST_ROUNDS)
    """Parts that a pass is cut into (mappo, ippo)."""
    target_kl: float | None = Field(0.02, gt=0)
    """Divergence at which an actor stops until the next update; None: never (mappo, ippo)."""


SETTINGS: dict[str, type[AlgorithmConfig]] = {
    "r2d2": R2d2Config,  # first: of all keys the defaults of others are listed
    "a2c": A2cConfig,
    "curve_actor_critic": CurveActorCriticConfig,
    "dqn": DqnConfig,
    "independent_curve_actor_critic": CurveActorCriticConfig,
    "fictitious_play": FictitiousPlayConfig,
    "iddpg": DdpgConfig,
    "ippo": PpoConfig,
    "isac": SacConfig,
    "itd3": Td3Config,
    "maddpg": DdpgConfig,
    "mappo": PpoConfig,
    "masac": SacConfig,
    "matd3": Td3Config,
    "mirror_descent": MirrorDescentConfig,
    "q_learning": QLearningConfig,
    "qrdqn": QrDqnConfig,
    "regret_matching": RegretMatchingConfig,
    "reinforce": PolicyGradientConfig,
    "vpg": PolicyGradientConfig,
}
"""Settings of each algorithm, by the name that `learning_config.algorithm` has for it."""
