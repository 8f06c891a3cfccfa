"""The technologies of units: one file and one registry line each.

`thermal` serves every power plant, renewables included.
"""

from typing import Any

from assume_rl.core.units.base import Technology
from assume_rl.core.units.demand import Demand
from assume_rl.core.units.exchange import Exchange
from assume_rl.core.units.storage import Storage
from assume_rl.core.units.thermal import Thermal

TECHNOLOGIES: dict[str, Technology[Any, Any, Any]] = {
    technology.name: technology for technology in (Demand(), Exchange(), Storage(), Thermal())
}

__all__ = ["TECHNOLOGIES", "Technology"]
