"""Run a market of rule-based bidders and look at its prices.

python examples/01_run_a_market.py [OUTPUT FOLDER]
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from assume_rl import load_scenario, run

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"


def main(out: Path) -> None:
    # 160 plants, each offering at its marginal cost, for one week of January.
    scenario = load_scenario(SCENARIOS / "national", "week")
    result = run(scenario, out=out, overwrite=True)
    for figure, market, value in result.kpis:
        print(f"{market} {figure}: {value:,.2f}")
    query = "select product_start, price from market_meta order by price desc limit 3"
    with closing(sqlite3.connect(out / "results.db")) as results:
        for start, price in results.execute(query):
            print(f"dear hour: {start[:16]}  {price:.2f} EUR/MWh")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/example_01"))
