"""Keys of a study case: every key of `config.yaml`, with its only default.

Every model is frozen and refuses unknown keys; `scenario.config.read` turns the errors into
sentences.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails

from assume_rl.core.bidding import entries
from assume_rl.learning.config import LearningConfig
from assume_rl.scenario.config.section import Section
from assume_rl.scenario.config.times import Instant, PositiveSeconds, Seconds, StepSeconds
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.seeds import MOST_SEED

PRODUCT_TYPES = ("energy", "capacity_pos", "capacity_neg", "energy_pos", "energy_neg", "heat")
"""Product types of the format."""

UNREAD_KEYS = frozenset({"maximum_volume", "only_hours", "eligible_obligations_lambda"})
"""Keys that public folders have although nothing reads them."""


class Product(Section):
    """Deliveries of one length that an auction sells: `count` in a row."""

    duration: PositiveSeconds
    """Length of one delivery."""
    count: int = Field(gt=0)
    """Number of deliveries, one after the other."""
    first_delivery: Seconds
    """From the opening of the auction to the start of the first delivery."""


class Market(Section):
    """One market of `markets_config`."""

    operator: str
    """Name of the market operator; a label."""
    products: tuple[Product, ...] = Field(min_length=1)
    """Products that an auction sells."""
    opening_frequency: PositiveSeconds
    """Time between two openings."""
    opening_duration: PositiveSeconds
    """How long an auction takes orders."""
    market_mechanism: str
    """`pay_as_clear` (uniform price), `pay_as_bid` or `complex_clearing` (blocks, links, zones)."""
    start_date: Instant | None = None
    """First opening; the simulation's start by default."""
    end_date: Instant | None = None
    """No auction closes later; the simulation's end by default."""
    product_type: str = "energy"
    """What is traded: `energy`, or reserve, which is held (`capacity_pos`, `capacity_neg`) or
    called (`energy_pos`, `energy_neg`)."""
    maximum_bid_volume: float = Field(1e6, gt=0)
    """MW; larger orders are cut."""
    maximum_bid_price: float = 3000.0
    """EUR/MWh (reserve that is held: EUR/MW and hour); higher prices are lowered to it."""
    minimum_bid_price: float = -3000.0
    """EUR/MWh (reserve that is held: EUR/MW and hour); lower prices are raised to it."""
    max_gradient: float | None = None
    """Not read."""
    volume_unit: str = "MW"
    """A label."""
    price_unit: str = "EUR/MWh"
    """A label."""
    volume_tick: float | None = Field(None, ge=1e-9)
    """MW that volumes of orders are rounded to multiples of; none by default."""
    price_tick: float | None = Field(None, ge=1e-9)
    """EUR/MWh that prices of orders are rounded to multiples of; none by default."""
    additional_fields: tuple[str, ...] = ()
    """Read by `complex_clearing`: with `min_acceptance_ratio` among them, least shares count."""
    supports_get_unmatched: bool = False
    """Not read."""
    param_dict: dict[str, Any] = Field({})
    """Parameters of the mechanism, see below."""
    reserve_limits: Literal["recorded", "deliverable"] = "recorded"
    """Limits of a market of reserve that is held: as recorded, or so that it can be delivered."""
    information: Literal["published_curves", "own_results"] = "published_curves"
    """What bidders learn of a past auction beside its price: supply and demand, or nothing else."""

    @model_validator(mode="after")
    def _ordered_prices(self) -> Self:
        if self.minimum_bid_price > self.maximum_bid_price:
            raise ValueError(
                f"minimum_bid_price {self.minimum_bid_price:g} is above "
                f"maximum_bid_price {self.maximum_bid_price:g}"
            )
        return self


def _params_schema() -> dict[str, Any]:
    """Return the JSON schema of the parameters of all bidders."""
    own = [
        entry.Params.model_json_schema()["properties"]
        for entry in entries().values()
        if entry.Params.model_fields
    ]
    known = {key: value for properties in own for key, value in properties.items()}
    return {"type": "object", "properties": known, "additionalProperties": False}


StrategyParams = Annotated[dict[str, Any], WithJsonSchema(_params_schema())]


File = str | None


def _switched_on(markets: Any) -> Any:
    """Return markets without those that are null."""
    if not isinstance(markets, dict):
        return markets
    return {name: market for name, market in markets.items() if market is not None}


def switched_off(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of markets that settings switch off."""
    markets = settings.get("markets_config")
    own = markets.items() if isinstance(markets, dict) else ()
    return tuple(str(name) for name, market in own if market is None)


Markets = Annotated[
    dict[str, Market],
    BeforeValidator(_switched_on, json_schema_input_type=dict[str, Market | None]),
]


def _with_registered(schema: dict[str, Any]) -> None:
    """Add the parameters and file keys of registered bidders and unit kinds to the JSON schema."""
    schema["additionalProperties"] = False
    # The field has those that were registered when this module was imported.
    schema["properties"]["bidding_strategy_params"].update(_params_schema())
    for key in _registered_files():
        file = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": f"{key}.csv"}
        schema["properties"].setdefault(key, file)


def _registered_files() -> list[str]:
    """Return the file keys of all registered unit kinds."""
    return [key for table in UNIT_TABLES.values() for key in table.files]


class StudyCase(Section):
    """One study case; a file key names another file of the folder, null switches it off."""

    # The file keys of all registered unit kinds are valid, fields of this class or not.
    model_config = ConfigDict(extra="allow", json_schema_extra=_with_registered)

    __pydantic_extra__: dict[str, File]

    start_date: Instant
    """First step of the calendar."""
    end_date: Instant
    """Last step of the calendar, included."""
    time_step: StepSeconds
    """Length of a step."""
    markets_config: Markets
    """Markets by name; null switches one off."""
    learning_config: LearningConfig | None = None
    """Settings of a learning run."""
    simulation_id: str | None = None
    """Name of the run in result tables, a label; `<folder>_<case>` by default."""
    seed: int | None = Field(42, ge=0, le=MOST_SEED)
    """Seed of every random draw; null: a run draws one and records it."""
    save_frequency_hours: int | None = Field(48, ge=0)
    """Simulated hours between two writes of results; null or 0: at the end; changes no number."""
    outputs_buffer_size_mb: float = Field(300, gt=0)
    """Not read: results are written in batches of rows."""
    bidding_strategy_params: StrategyParams = Field({})
    """Parameters of bidders."""
    policies: dict[str, str] = Field({})
    """Policy file or folder by unit: these units act on it and do not learn."""
    forecast_algorithms: dict[str, str] = Field({})
    """Forecast algorithm by key; a column `forecast_<key>` of a unit table wins."""
    plugins: tuple[str, ...] = ()
    """Files of plug-ins, relative to the folder, and names of entry points; they are code."""
    use_forecasts_df: bool = True
    """Whether columns of forecasts_df replace computed forecasts."""
    save_forecasts: bool = False
    """Not supported yet."""
    forecast_save_file: str = "saved_forecasts.csv"
    """Not read."""

    powerplant_units: File = "powerplant_units.csv"
    """Power plants; must exist."""
    demand_units: File = "demand_units.csv"
    """Demand units; must exist."""
    storage_units: File = "storage_units.csv"
    """Storages; optional."""
    exchange_units: File = "exchange_units.csv"
    """Exchanges with other areas; optional."""
    unit_operators: File = "unit_operators.csv"
    """Portfolio strategies of operators; optional."""
    industrial_dsm_units: File = "industrial_dsm_units.csv"
    """Not supported yet."""
    residential_dsm_units: File = "residential_dsm_units.csv"
    """Not supported yet."""
    forecasts_df: File = "forecasts_df.csv"
    """Given forecasts; optional."""
    demand_df: File = "demand_df.csv"
    """Demand of each demand unit; must exist."""
    exchanges_df: File = "exchanges_df.csv"
    """Imports and exports of each exchange; must exist where there are any."""
    availability_df: File = "availability_df.csv"
    """Availability of units; optional."""
    fuel_prices_df: File = "fuel_prices_df.csv"
    """Fuel and CO2 prices; without them all are 0."""

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        if self.end_date <= self.start_date:
            raise ValueError(
                f"end_date {self.end_date:%Y-%m-%d %H:%M} is not after "
                f"start_date {self.start_date:%Y-%m-%d %H:%M}"
            )
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _only_registered_files(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Report unknown keys together with all other errors."""
        if not isinstance(given, dict):
            return handler(given)
        valid = {*cls.model_fields, *_registered_files()}
        unknown = {key: value for key, value in given.items() if key not in valid}
        errors = [
            InitErrorDetails(type="extra_forbidden", loc=(str(key),), input=value)
            for key, value in unknown.items()
        ]
        try:
            case = handler({key: value for key, value in given.items() if key in valid})
        except ValidationError as error:
            errors += [
                InitErrorDetails(
                    type=e["type"], loc=e["loc"], input=e["input"], ctx=e.get("ctx", {})
                )
                for e in error.errors()
            ]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return case

    @property
    def keeps_reserve(self) -> bool:
        """Return whether units are kept able to deliver the reserve that they sold."""
        return any(m.reserve_limits == "deliverable" for m in self.markets_config.values())

    def file(self, key: str) -> File:
        """Return the name of a file by its key; None if it is switched off."""
        known: dict[str, File] = {**self.__pydantic_extra__, **vars(self)}
        return known.get(key, f"{key}.csv")

    def files(self) -> list[str]:
        """Return the names of all tables that are not switched off."""
        own = [key for key, f in type(self).model_fields.items() if f.default == f"{key}.csv"]
        keys = [*own, *_registered_files()]
        return [name for key in dict.fromkeys(keys) if (name := self.file(key)) is not None]


def known_keys() -> list[str]:
    """Return the keys that a study case may have."""
    return list(dict.fromkeys([*StudyCase.model_fields, *_registered_files()]))
