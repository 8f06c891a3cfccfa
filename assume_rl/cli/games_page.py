"""A benchmark of games as Markdown: one table."""

from collections.abc import Mapping, Sequence
from typing import Any

from assume_rl.cli.bench_page import NOT_YET
from assume_rl.cli.tables import number

HEADS = (
    "game",
    "",
    "algorithm",
    "policy",
    "seeds",
    "price (answer)",
    "within 1 %",
    "within 5 %",
    "exploitability: median, most",
    "share of profit",
    "distance",
    "seconds",
)


def games_table(bench: Mapping[str, Any] | None) -> str:
    """Return the table of a benchmark.

    :param bench: what `studies.bench.games.summary` returned, or read back; None: not measured yet
    """
    if bench is None:
        return NOT_YET + "\n"
    versions = ", ".join(f"{name} {version}" for name, version in bench["versions"].items())
    rows: Sequence[Mapping[str, Any]] = bench["rows"]
    texts = HEADS.index("seeds")
    rule = [*["---"] * texts, *["---:"] * (len(HEADS) - texts)]
    lines = [HEADS, rule, *(_cells(row) for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{versions}.\n\n{table}\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    exploitability = row["exploitability"]
    return [
        row["game"],
        row["title"],
        f"`{row['algorithm']}`",
        row["policy"],
        str(row["seeds"]),
        number(row["price"]),
        _share(row["within_1"]),
        _share(row["within_5"]),
        f"{number(exploitability['median'])}, {number(exploitability['most'])}",
        f"{row['exploitability_share']:.2%}".replace("%", " %"),
        "–" if row["distance"] is None else number(row["distance"]),
        number(row["seconds"]),
    ]


def _share(value: float) -> str:
    return f"{value:.0%}".replace("%", " %")
