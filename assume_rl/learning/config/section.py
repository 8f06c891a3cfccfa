"""The section `learning_config` of a study case: every key, with its only default."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from assume_rl.durations import duration_seconds
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.learning.config.algorithms import MOST, SETTINGS, AlgorithmConfig, Td3Config
from assume_rl.learning.config.names import ACTOR_NAMES, CRITIC_NAMES, WITH_MEMORY, OneOf
from assume_rl.learning.config.problems import checked, problem, problem_of
from assume_rl.learning.config.schedules import (
    AnySchedule,
    KlAdaptive,
    RateSchedules,
)
from assume_rl.truth_values import WithoutTruthValues

CriticName = Annotated[str, OneOf("critic", CRITIC_NAMES)]
ArchitectureName = Annotated[str, OneOf("actor_architecture", ACTOR_NAMES)]
ActivationName = Literal["relu", "tanh", "elu", "silu"]
OptimizerName = Literal["adamw", "adam", "sgd", "rmsprop"]
Layer = Annotated[int, Field(gt=0, le=10**6)]
Sizes = Annotated[tuple[Layer, ...], Field(min_length=1)]
NormaliseName = Literal["observations", "critic_input", "values", "returns"]
SharingName = Literal["technology", "bidder"]
RewardType = Literal["opportunity_cost", "profit", "regret"]

POLICY_SETTINGS = ("max_bid_price", "observation_window")
"""Keys that give observations and actions their meaning: policies need those of their training."""


class Reward(WithoutTruthValues):
    """The rewards that agents learn from. Profits and regrets are recorded whatever they are."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    type: RewardType = "opportunity_cost"
    """Profit less regret (opportunity_cost), profit alone, or regret alone, to be made small."""
    scale: float = Field(1.0, gt=0)
    """Factor on what is learned from; recorded rewards are without it."""
    clip: float | None = Field(None, gt=0)
    """Largest size of what is learned from, after the factor; None: not clipped."""


class LearningConfig(WithoutTruthValues):
    """Settings of a learning run, as in the `learning_config` section of a study case.

    The section is flat, as in ASSUME: keys of the chosen algorithm stand among the others, and are
    the fields of `settings` here.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    continue_learning: bool = False
    """Start from the policies in `trained_policies_load_path`; implies `learning_mode`."""
    learning_mode: bool = Field(False, validate_default=True)
    """Says that the study case is meant for training: training it with false warns, but trains."""
    evaluation_mode: bool = False
    """Of a `Learning` role: act without noise, store nothing. Not read in a study case."""
    trained_policies_save_path: str | None = None
    """Folder of the scenario that a training copies its policies to; changes no number."""
    trained_policies_load_path: str | None = None
    """Folder of policies to act with, or to continue from."""
    min_bid_price: float = -100.0
    """EUR/MWh. Not read: learned bids lie in [-max_bid_price, max_bid_price]."""
    max_bid_price: float = Field(100.0, gt=0)
    """EUR/MWh that an action of 1 stands for."""
    observation_window: Literal["wrap", "clamp"] = "wrap"
    """Observed forecasts after the calendar's end: those of its start, or the last value."""
    forecast_scale: Literal["recorded", "training"] = "recorded"
    """What scaled forecasts are read by: the range in the own calendar, or in that of training."""
    device: str = Field("cpu", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where networks live: auto, cpu, cuda or cuda:<n>; changes no number but by rounding."""

    episodes_collecting_initial_experience: int = Field(5, le=MOST)
    """Episodes of random actions before the first update; values below 1 count as 1."""
    exploration_noise_std: float = Field(0.2, ge=0)
    """Standard deviation of the actions of the initial experience."""
    initial_actions: Literal["normal", "uniform"] = "normal"
    """Actions of the initial experience: normal around marginal cost, or uniform in [-1, 1]."""
    training_episodes: int = Field(100, gt=0, le=MOST)
    """Episodes of training, those of initial experience included."""
    episode_length: str | None = None
    """Length of training episodes, random parts of the calendar; None: all of it (batch engine)."""
    num_envs: int = Field(1, gt=0, le=MOST)
    """Training episodes that are played side by side, in copies of the market."""
    update_ratio: float = Field(1.0, gt=0, le=MOST)
    """Iterations per `gradient_steps` and copy of the market; 1 is the ratio of ASSUME."""
    validation_episodes_interval: int = Field(5, gt=0, le=MOST)
    """Training episodes between two evaluations."""
    train_freq: str = "24h"
    """Simulated time between two update calls."""
    max_staleness: int = Field(0, ge=0, le=MOST)
    """Updates that policies may be behind that play, while others learn."""
    batch_size: int = Field(128, gt=0, le=MOST)
    """Joint transitions in a batch."""
    gradient_steps: int = Field(100, gt=0, le=MOST)
    """Iterations of an update call."""

    algorithm: str = "matd3"
    """Key of `learning.algorithms.ALGORITHMS`."""
    settings: SerializeAsAny[AlgorithmConfig] = Field(default_factory=Td3Config)
    """Settings of the algorithm."""
    critic: CriticName = "concat"
    """How central critics see the agents: key of `learning.critics.CRITICS`."""
    parameter_sharing: SharingName | None = None
    """Whose learners act by one policy, which all train: units of a technology, or of a bidder."""
    actor_hidden: tuple[Layer, ...] | None = None
    """Sizes of an actor's hidden layers; None: 256, 128 (lstm: 128; with memory: cell 64, 128)."""
    critic_hidden: Sizes | None = None
    """Sizes of hidden layers of critics and values; None: those of ASSUME, by the agents seen."""
    activation: ActivationName = "relu"
    """Activation after each hidden layer of actors, critics and values."""
    block_size: int | None = Field(None, gt=0, le=MOST)
    """Agents worked on together; None: five on a CPU. It changes no number but by rounding."""
    optimizer: OptimizerName = "adamw"
    """How networks follow their gradients: key of `learning.nets.optimizer.OPTIMIZERS`."""
    weight_decay: float | None = Field(None, ge=0)
    """How much weights shrink in a step; None: 0.01 with adamw, else not at all."""
    normalise: tuple[NormaliseName, ...] = ()
    """Put on a common scale by running statistics: observations, critic_input, values, returns."""
    reward: Reward = Reward()
    """The reward that agents learn from: `type`, `scale` and `clip`."""
    max_grad_norm: float = Field(1.0, ge=0)
    """Greatest norm of an agent's gradient; 0: not clipped."""
    compile: bool = False
    """Compile updates (torch.compile; needs a compiler); changes no number but by rounding."""
    autocast: bool = False
    """Compute the products of an update in bfloat16; networks and optimisers stay as they are."""
    cuda_graphs: bool = False
    """Record updates and market steps as CUDA graphs, and do them again; not used on a CPU."""
    replay_buffer_size: int = Field(50_000, gt=0, le=MOST)
    """Joint transitions that the replay buffer holds."""
    gamma: float = Field(0.99, ge=0, le=1)
    """Discount per transition."""
    actor_architecture: ArchitectureName = "mlp"
    """Kind of actor network: linear layers, after ramps, an LSTM over a window, or a memory (gru in
    r2d2)."""
    sequence_length: int = Field(8, gt=0, le=MOST)
    """Latest observations that an update works through to a decision (gru, lstm_memory)."""
    burn_in: int = Field(2, ge=0, le=MOST)
    """Of these the first ones, which have no gradient (gru, lstm_memory)."""
    noise_sigma: float = Field(0.1, ge=0)
    """Standard deviation of the action noise."""
    noise_scale: float = Field(1.0, ge=0)
    """Factor on the action noise."""
    noise_dt: float = Field(1.0, ge=0)
    """Initial value of the factor on the action noise that `action_noise_schedule` changes."""
    action_noise_schedule: AnySchedule = None
    """How `noise_dt` changes over training; None: not at all."""
    learning_rate: float = Field(0.001, gt=0)
    """Of actors and critics."""
    learning_rates: dict[str, Annotated[float, Field(gt=0)]] = Field({})
    """Learning rates of kinds of networks by name, such as actor; others have `learning_rate`."""
    learning_rate_schedule: RateSchedules = None
    """How learning rates change, of all networks or by name of networks; None: not at all, but
    for actors of mappo, ippo and a2c, which go by kl_adaptive."""

    early_stopping_steps: int | None = Field(None, gt=0, le=MOST)
    """Evaluations looked back on; None: one more than training holds, i.e. never stop early."""
    early_stopping_threshold: float = Field(0.05, ge=0)
    """Relative change of the mean score below which training stops."""

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> "LearningConfig":
        """Return settings from plain data; `ConfigurationError` names every key that is wrong."""
        try:
            return cls.model_validate(dict(settings))
        except ValidationError as error:
            raise ConfigurationError(
                "\n".join(problem(e, learning_keys()) for e in error.errors())
            ) from None

    @property
    def policy_settings(self) -> dict[str, Any]:
        """Return the settings that policies depend on, as their manifest keeps them."""
        return {key: getattr(self, key) for key in POLICY_SETTINGS}

    @property
    def schedules(self) -> frozenset[str]:
        """Return the names of all schedules in use."""
        given = [
            value
            for model in (self, self.settings)
            for key, value in model
            if key.endswith("_schedule") and value is not None
        ]
        each = (
            own
            for value in given
            for own in (value.values() if isinstance(value, dict) else (value,))
        )
        return frozenset(own if isinstance(own, str) else own.schedule for own in each if own)

    @property
    def initial_episodes(self) -> int:
        """Return the number of episodes of random actions before the first update; 0 on-policy."""
        return 0 if self.settings.on_policy else self.episodes_collecting_initial_experience

    @property
    def validation_interval(self) -> int:
        """Return the number of training episodes between evaluations, at most all of them."""
        return min(self.training_episodes, self.validation_episodes_interval)

    @property
    def early_stopping_window(self) -> int:
        """Return the number of evaluations that early stopping compares."""
        if self.early_stopping_steps is not None:
            return self.early_stopping_steps
        return self.training_episodes // self.validation_interval + 1

    @model_validator(mode="wrap")
    @classmethod
    def _settings_apart(cls, given: Any, validate: Any) -> Any:
        """Gather the keys of the algorithm, which are flat in a study case."""
        if not isinstance(given, Mapping) or isinstance(given.get("settings"), AlgorithmConfig):
            return validate(given)
        common = dict(given)
        name = common.get("algorithm", cls.model_fields["algorithm"].default)
        if not isinstance(name, str) or name not in SETTINGS:
            sentence = f"unknown algorithm '{name}', {nearest(str(name), SETTINGS)}"
            raise ValidationError.from_exception_data(
                cls.__name__, [problem_of("algorithm", name, sentence)]
            )
        nested = common.pop("settings", {})
        if not isinstance(nested, Mapping):
            sentence = "is no section: settings of an algorithm stand beside the others"
            raise ValidationError.from_exception_data(
                cls.__name__, [problem_of("settings", nested, sentence)]
            )
        own = dict(nested)
        own |= {key: common.pop(key) for key in list(common) if key in SETTINGS[name].model_fields}
        if SETTINGS[name].learns_sequences:
            common.setdefault("actor_architecture", WITH_MEMORY[0])
        problems = _keys_of_others(common, name)
        settings = checked(SETTINGS[name].model_validate, own, problems)
        found = checked(validate, common | {"settings": settings or AlgorithmConfig()}, problems)
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return found

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Describe the section as a study case has it: flat."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        del schema["properties"]["settings"]
        for model in SETTINGS.values():
            own = handler.resolve_ref_schema(handler(model.__pydantic_core_schema__))
            schema["properties"] |= own["properties"]
        return dict(schema)

    @field_validator("learning_mode")
    @classmethod
    def _continuing_is_learning(cls, learning: bool, info: Any) -> bool:
        return learning or bool(info.data.get("continue_learning"))

    @field_validator("episodes_collecting_initial_experience")
    @classmethod
    def _at_least_one(cls, episodes: int) -> int:
        return max(episodes, 1)

    @field_validator("train_freq", "episode_length")
    @classmethod
    def _positive_duration(cls, text: str | None, info: Any) -> str | None:
        if text is not None and duration_seconds(text) == 0:
            raise ValueError(f"{info.field_name} must be longer than zero")
        return text

    @field_validator("normalise", mode="before")
    @classmethod
    def _of_what(cls, names: Any) -> Any:
        known = get_args(NormaliseName)
        if not isinstance(names, list | tuple):
            raise ValueError(f"must be a list of {', '.join(known)}, not {names!r}")
        for name in names:
            if name not in known:
                raise ValueError(f"cannot normalise '{name}', {nearest(str(name), known)}")
        return [name for name in known if name in names]  # their order says nothing

    @model_validator(mode="after")
    def _ramps(self) -> "LearningConfig":
        if self.actor_architecture == "ramps" and "observations" in self.normalise:
            raise ValueError("normalise: actors on ramps read numbers from 0 to 1 as they are")
        return self

    @model_validator(mode="after")
    def _sequences(self) -> "LearningConfig":
        """Refuse settings of sequences that cannot be, or that the actors have no use for."""
        name, fields = self.actor_architecture, type(self).model_fields
        if name not in WITH_MEMORY:
            if self.settings.learns_sequences:
                raise ValueError(
                    f"{self.algorithm} needs actors with memory ({', '.join(WITH_MEMORY)}); "
                    f"actor_architecture is '{name}'"
                )
            for key in ("sequence_length", "burn_in"):
                if getattr(self, key) != fields[key].default:
                    raise ValueError(
                        f"{key} is for actors with memory ({', '.join(WITH_MEMORY)}); "
                        f"actor_architecture is '{name}'"
                    )
        elif self.burn_in >= self.sequence_length:
            raise ValueError(
                f"burn_in {self.burn_in} leaves nothing to learn from of "
                f"sequence_length {self.sequence_length}"
            )
        elif self.settings.one_trunk:
            raise ValueError(f"shared_trunk is not for actors with memory, such as '{name}'")
        elif self.settings.two_networks:
            raise ValueError(
                f"double: random_roles is not for actors with memory, such as '{name}': the "
                "memory of one network means nothing to the other"
            )
        elif self.actor_hidden == ():
            raise ValueError(f"actor_hidden needs a first size, that of the cell of '{name}'")
        return self

    def with_algorithm(self, name: str) -> "LearningConfig":
        """Return the settings with another algorithm, whose own settings are the defaults.

        :raises ConfigurationError: it is unknown, or does not go with the other settings
        """
        if name == self.algorithm:
            return self
        if name not in SETTINGS:
            raise ConfigurationError(f"unknown algorithm '{name}', {nearest(name, SETTINGS)}")
        changed = self.model_copy(update={"algorithm": name, "settings": SETTINGS[name]()})
        given, fields = changed.model_dump(), type(self).model_fields
        usual = WITH_MEMORY[0] if self.settings.learns_sequences else None
        if self.actor_architecture in (usual, fields["actor_architecture"].default):
            del given["actor_architecture"]  # that of the other algorithm may be another
        return type(self).from_mapping(given)

    @model_validator(mode="after")
    def _own_policies(self) -> "LearningConfig":
        if self.max_staleness > 0 and self.settings.on_policy:
            raise ValueError(
                f"max_staleness is for algorithms with a replay: {self.algorithm} learns from the "
                "actions of the policies that it improves, not from those of earlier ones"
            )
        return self

    @model_validator(mode="after")
    def _ordered_prices(self) -> "LearningConfig":
        if self.min_bid_price > self.max_bid_price:
            raise ValueError(
                f"min_bid_price {self.min_bid_price:g} is above "
                f"max_bid_price {self.max_bid_price:g}"
            )
        return self

    @model_validator(mode="after")
    def _divergence_known(self) -> "LearningConfig":
        schedules = self.learning_rate_schedule
        found = schedules.values() if isinstance(schedules, dict) else [schedules]
        if not self.settings.on_policy and any(isinstance(one, KlAdaptive) for one in found):
            raise ValueError(
                f"learning_rate_schedule kl_adaptive is for on-policy algorithms, not for "
                f"{self.algorithm}"
            )
        return self


def learning_keys(algorithm: str | None = None) -> dict[str, FieldInfo]:
    """Return the keys of the section, with their meanings.

    :param algorithm: whose own keys are among them; None: those of all algorithms
    """
    names = list(SETTINGS) if algorithm is None else [algorithm]
    own = {key: field for name in names for key, field in SETTINGS[name].model_fields.items()}
    return common_keys() | own


def common_keys() -> dict[str, FieldInfo]:
    """Return the keys of the section that do not depend on the algorithm."""
    return {key: f for key, f in LearningConfig.model_fields.items() if key != "settings"}


UNREAD_KEYS = frozenset({"tau", "policy_delay", "target_policy_noise", "target_noise_clip"})
"""Keys of ASSUME's that stand in study cases of any algorithm; those of others are not read."""


def _keys_of_others(given: dict[str, Any], algorithm: str) -> list[Any]:
    """Take out keys that only another algorithm reads; return problems with those not ASSUME's."""
    problems = []
    for key in [
        key for key in given if key in learning_keys() and key not in learning_keys(algorithm)
    ]:
        if key not in UNREAD_KEYS:
            owners = [name for name, model in SETTINGS.items() if key in model.model_fields]
            sentence = f"is a key of {', '.join(owners)}, not of the algorithm {algorithm}"
            problems.append(problem_of(key, given[key], sentence))
        del given[key]
    return problems
