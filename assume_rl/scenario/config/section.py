"""The base class of configuration sections and rows of tables."""

from pydantic import ConfigDict

from assume_rl.truth_values import WithoutTruthValues


class Section(WithoutTruthValues):
    """A part of the configuration: frozen, no unknown keys, no infinities."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
        use_attribute_docstrings=True,
    )
