"""A benchmark as Markdown: tables for people, between two marks of a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assume_rl.cli.tables import number
from assume_rl.errors import ResultsError
from assume_rl.results.files import replace_text

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
NOT_YET = "*Not measured yet.*"

Row = Mapping[str, Any]


def markdown(bench: Mapping[str, Any] | None) -> str:
    """Return a table per study case, the best reward first.

    :param bench: what `studies.bench.summary` returned, or read back; None: not measured yet
    """
    if bench is None:
        return NOT_YET + "\n"
    rows: Sequence[Row] = bench["rows"]
    scenarios = dict.fromkeys(row["scenario"] for row in rows)
    versions = ", ".join(f"{name} {version}" for name, version in bench["versions"].items())
    changed = ", ".join(f"`{key}={value}`" for key, value in bench["overrides"].items())
    head = (
        f"{number(bench['budget'])} seconds of processor time per training, one thread; "
        f"interquartile mean and {bench['level']:.0%} interval over seeds"
        f"{f'; {changed}' if changed else ''}. {versions}.\n"
    )
    tables = (_table(name, [r for r in rows if r["scenario"] == name]) for name in scenarios)
    return "\n".join([head, *tables])


def _table(scenario: str, rows: Sequence[Row]) -> str:
    heads, cells = ["algorithm", "reward", "profit (EUR)"], ["reward", "profit"]
    shares = {
        "best_response": "share of the best response",
        "perfect_foresight": "share of perfect foresight",
        "nash_conv_share": "NashConv as a share of profit",
    }
    for name, head in shares.items():
        if any(row[name] for row in rows):
            heads.append(head)
            cells.append(name)
    lines = [[*heads, "seeds", "episodes"]]
    for row in sorted(rows, key=lambda row: -float(row["reward"]["estimate"])):
        own = [_interval(row[name], percent=name in shares) for name in cells]
        lines.append(
            [f"`{row['algorithm']}`", *own, str(len(row["seeds"])), number(row["episodes"])]
        )
    lines.insert(1, ["---", *["---:"] * (len(lines[0]) - 1)])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"### {scenario}\n\n{table}\n"


def _interval(found: Mapping[str, float | None] | None, *, percent: bool) -> str:
    """Return an estimate and, where it is known, its interval; a dash for what is not known."""
    if found is None:
        return "-"
    texts = {k: _share(v) if percent else number(v) for k, v in found.items() if v is not None}
    ends = f" ({texts['low']} to {texts['high']})" if "low" in texts else ""
    return texts["estimate"] + ends


def _share(value: float) -> str:
    return f"{value:.1%}".replace("%", " %")


def put(page: Path, text: str) -> None:
    """Replace what stands between the marks of a page.

    :raises ResultsError: the page cannot be read or written, or has no marks
    """
    replace_text(page, placed(page, text))


def placed(page: Path, text: str) -> str:
    """Return a page with something else between its marks; see `put`."""
    try:
        before = page.read_text(encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"'{page}' cannot be read: {error.strerror}") from None
    head, begin, rest = before.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ResultsError(f"'{page}' has no lines '{BEGIN}' and '{END}'")
    return f"{head}{BEGIN}\n\n{text}\n{END}{tail}"
