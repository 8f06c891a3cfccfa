"""Say why an order was rejected, from its book and the prices alone, whatever the rule."""

from functools import cached_property

import numpy as np
import pandas as pd

from assume_rl.core.clearing.complex.prices import LOSS

ALL, PART, NOTHING, EMPTY = "accepted", "accepted in part", "rejected", "no volume"
SMALL = 3 * LOSS
"""MW, EUR/MWh and EUR that are nothing: more than what complex clearing takes for no loss."""
_MONEY = ["side", "price", "zone_price"]


class Reasons:
    """The reasons of a cleared order table.

    :param rows: of the table, with `accepted` MW, the `zone_price`, EUR/MWh, and whether the zone
        is `idle` in that hour
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        sign = np.where(rows["side"] == "sell", 1.0, -1.0)
        gain = sign * (rows["zone_price"] - rows["price"])
        own = rows["accepted"] / rows["volume"].where(rows["volume"] > 0)
        self._rows = rows.assign(gain=gain, share=own, bound=~_plain(rows))

    def of_all(self) -> list[str]:
        """Return a sentence for each row."""
        rows = self._rows
        full = rows["accepted"] >= rows["volume"] - SMALL
        some = rows["accepted"] > SMALL
        found = np.where(full, ALL, np.where(some, PART, NOTHING)).astype(object)
        found[(rows["volume"] <= SMALL).to_numpy()] = EMPTY
        out = ~rows["bound"] & (rows["gain"] < -SMALL) & ~some & (rows["volume"] > SMALL)
        out &= ~rows["idle"]
        dear = np.flatnonzero(out)
        found[dear] = [f"{NOTHING}: {_money(*row)}" for row in rows[_MONEY].iloc[dear].to_numpy()]
        for at in np.flatnonzero((found == NOTHING) | (found == PART)):
            found[at] = f"{found[at]}: {self._why(rows.iloc[at], bool(some.iloc[at]))}"
        return list(found)

    def of_conditional(self, reasons: list[str]) -> dict[str, str]:
        """Return what came of each block, complex order and order with a condition, by name.

        :param reasons: of each row
        """
        rows = self._rows.assign(reason=reasons)
        rows = rows[rows["bound"]]
        name = rows["complex"].where(rows["complex"] != "", rows["id"])
        first = rows.groupby(name, sort=False)["reason"].first()
        found = {str(order): str(reason) for order, reason in first.items()}
        return found | dict.fromkeys(self.fixed_costs_paid(), ALL)

    def fixed_costs_paid(self) -> dict[str, float]:
        """Return the fixed cost of each complex order that trades, EUR."""
        accepted = self._complex[self._complex["accepted"] > SMALL]
        return dict(zip(accepted.index, accepted["fixed_cost"], strict=True))

    @cached_property
    def _complex(self) -> pd.DataFrame:
        """Return by name what complex orders trade, MW, could earn and have to earn, EUR."""
        rows = self._rows[self._rows["complex"] != ""]
        # Rows of a block trade together; any other one is free to leave an hour out.
        whole = rows["id"].where(rows["type"] == "block", rows.index.astype(str) + " of simple")
        could = (rows["gain"] * rows["volume"]).groupby([rows["complex"], whole]).sum()
        grouped = rows.groupby("complex")
        cost = grouped["fixed_cost"].agg(lambda own: own.iloc[own.abs().to_numpy().argmax()])
        return pd.DataFrame(
            {
                "accepted": grouped["accepted"].sum(),
                "could": could.clip(lower=0).groupby("complex").sum(),
                "fixed_cost": cost,
            }
        )

    @cached_property
    def _blocks(self) -> pd.DataFrame:
        """Return by id the mean gain of blocks, EUR/MWh, weighted by volume, and their share."""
        rows = self._rows[self._rows["type"] == "block"]
        grouped = rows.assign(earns=rows["gain"] * rows["volume"]).groupby("id")
        volume = grouped["volume"].sum()
        return pd.DataFrame(
            {
                "gain": grouped["earns"].sum() / volume.where(volume > 0, 1.0),
                "share": grouped["share"].max().fillna(0.0),
                "group": grouped["group"].first(),
                "idle": grouped["idle"].all(),
            }
        )

    def _why(self, row: pd.Series, some: bool) -> str:
        if row["complex"] and not some:
            return self._of_complex(row)
        held = self._held_back(row)
        if held:
            return held
        block = self._blocks.loc[row["id"]] if row["type"] == "block" else None
        if row["idle"] if block is None else block["idle"]:
            return "nothing trades in this hour and zone"
        gain = float(row["gain"] if block is None else block["gain"])
        if gain < -SMALL:
            if block is None:
                return _money(*row[_MONEY])
            return f"loses {-gain:.6g} EUR/MWh at these prices"
        return _at_a_gain(row, gain, some=some)

    def _held_back(self, row: pd.Series) -> str | None:
        """Return which other order keeps one from trading more, None if there is none."""
        if row["parent"]:
            share = float(self._blocks.loc[row["parent"], "share"])
            if share < SMALL:
                return f"its parent '{row['parent']}' is rejected"
            if row["share"] > 0 and share <= row["share"] + SMALL < 1:
                return f"its parent '{row['parent']}' trades no more than that share"
        if row["group"]:
            blocks = self._blocks
            rivals = blocks[(blocks["group"] == row["group"]) & (blocks["share"] > SMALL)]
            others = [name for name in rivals.index if name != row["id"]]
            if others:
                return f"'{others[0]}' of its exclusive group trades"
        return None

    def _of_complex(self, row: pd.Series) -> str:
        own = self._complex.loc[row["complex"]]
        name = f"complex order '{row['complex']}'"
        if own["accepted"] > SMALL:
            return _money(*row[_MONEY]) if row["gain"] < 0 else f"{name} trades, this part does not"
        earns = f"{name} could earn {own['could']:.6g} EUR"
        if own["could"] <= own["fixed_cost"] + SMALL:
            return f"{earns}, no more than its fixed cost {own['fixed_cost']:g}"
        return f"paradoxically: {earns}, but less than its fixed cost once it trades"


def _plain(rows: pd.DataFrame) -> pd.Series:
    """Return which orders no condition binds."""
    free = (rows["parent"] == "") & (rows["complex"] == "") & (rows["type"] == "simple")
    return free & (rows["min_acceptance"] == 0)


def _at_a_gain(row: pd.Series, gain: float, *, some: bool) -> str:
    """Return why an order does not trade more at prices at which it does not lose.

    :param gain: EUR/MWh
    :param some: whether it trades a part
    """
    if gain <= SMALL:
        return "it is at the price, others suffice"
    if not row["bound"]:
        return f"there is no more {'demand' if row['side'] == 'sell' else 'supply'}"
    if some:
        return f"gains {gain:.6g} EUR/MWh at these prices, but there is no use for more"
    return f"paradoxically: gains {gain:.6g} EUR/MWh at these prices, but not once it trades"


def _money(side: str, price: float, zone_price: float) -> str:
    asks = "asks" if side == "sell" else "pays"
    return f"{asks} {price:g}, the price is {zone_price:.6g}"
