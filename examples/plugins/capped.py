"""A market rule: a uniform price with a cap."""

from dataclasses import dataclass, replace

import torch
from pydantic import BaseModel, Field

from assume_rl.core.clearing import pay_as_clear


class Cap(BaseModel):
    """What a market's `param_dict` may hold."""

    cap: float = Field(gt=0)
    """EUR/MWh."""


@dataclass(frozen=True)
class Capped:
    """Uniform price; supply that asks for more than the cap does not take part."""

    name: str = "pay_as_clear_capped"
    Params: type = Cap
    couples_products: bool = False
    needs: frozenset[str] = frozenset()
    batched: bool = True

    def setup(self, spec, slots):
        return spec.params.cap, pay_as_clear.setup(spec, slots)

    def clear(self, orders, tie, setup):
        cap, zone = setup
        dear = (orders.volume > 0) & (orders.price > cap)
        taking_part = replace(orders, volume=torch.where(dear, 0.0, orders.volume))
        return pay_as_clear.clear(taking_part, tie, zone)


def register(registry):
    registry.rule(Capped())
