"""Names of parts that settings choose by name, and that plug-ins may add to.

What each name stands for is registered where it works, since settings import no network.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from assume_rl.errors import nearest

CRITIC_NAMES = ["concat", "pooled", "shared"]
"""Keys of `learning.critics.CRITICS`."""
ACTOR_NAMES = ["mlp", "ramps", "lstm", "gru", "lstm_memory"]
"""Keys of `learning.nets.trunks.TRUNKS`."""
WITH_MEMORY = ["gru", "lstm_memory"]
"""Those of them that carry something from one decision to the next."""
SCHEDULE_NAMES = ["constant", "cosine", "exponential", "linear", "piecewise", "polynomial"]
"""Keys of `learning.schedules.SCHEDULES`."""


@dataclass(frozen=True)
class OneOf:
    """Annotates a text that must be one of some names, which may become more.

    :param what: the names are of, for messages
    :param names: that there are
    :param more: names that are no parts, but valid too
    """

    what: str
    names: list[str] = field(hash=False)
    more: tuple[str, ...] = ()

    @property
    def choices(self) -> list[str]:
        """Return all that is valid now."""
        return [*self.names, *self.more]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return a schema that refuses other names with the nearest valid one."""
        return core_schema.no_info_before_validator_function(self._known, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: Callable[[CoreSchema], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return the present choices."""
        return {"enum": self.choices, "type": "string"}

    def _known(self, name: Any) -> Any:
        if name not in self.choices:
            raise ValueError(f"unknown {self.what} '{name}', {nearest(str(name), self.choices)}")
        return name
