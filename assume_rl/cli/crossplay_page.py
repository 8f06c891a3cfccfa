"""A cross-play as Markdown: a table of profits, one of gains, one of exploitability."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assume_rl.cli.judgement import marked
from assume_rl.cli.tables import euros

Row = Mapping[str, Any]


def crossplay_tables(found: Mapping[str, Any]) -> str:
    """Return the tables of a cross-play.

    :param found: what `studies.bench.crossplay.summary` returned, or read back
    """
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    head = f"{found['scenario']}, case {found['case']}, seed {found['seed']}. {versions}.\n"
    sets = "\n".join(f"- {name}: `{folder}`" for name, folder in found["sets"].items())
    rows: Sequence[Row] = found["rows"]
    parts = [head, sets + "\n", _table("profit (EUR)", found["sets"], rows, _profit)]
    parts.append(_table("more than rivals' own policies earn (EUR)", found["sets"], rows, _gain))
    if any(row["nash_conv"] is not None for row in rows):
        parts.append(_table("all could gain alone (EUR)", found["sets"], rows, _nash_conv))
        parts.append(_table("one could gain alone (EUR)", found["sets"], rows, _most))
    reasons = dict.fromkeys(u["unknown"] for row in rows for u in row["units"] if u["unknown"])
    parts += [f"Best responses are not known: {reason}.\n" for reason in reasons]
    return "\n".join(parts)


def _table(
    title: str, sets: Mapping[str, str], rows: Sequence[Row], text: Callable[[Row], str]
) -> str:
    cells = {(row["own"], row["rivals"]): text(row) for row in rows}
    lines = [[f"{title}: unit by", *(f"among {name}" for name in sets)]]
    lines.append(["---", *["---:"] * len(sets)])
    lines += [[own, *(cells[own, rivals] for rivals in sets)] for own in sets]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _profit(row: Row) -> str:
    return euros(row["profit"])


def _gain(row: Row) -> str:
    return euros(row["gain"])


def _nash_conv(row: Row) -> str:
    return marked(row["nash_conv"], row["kind"], row["error"])


def _most(row: Row) -> str:
    return marked(row["exploitability"], row["kind"], row["widest_error"])
