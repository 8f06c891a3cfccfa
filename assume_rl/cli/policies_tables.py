"""What `assume-rl policies` prints."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assume_rl.cli.tables import NONE, numbers, print_whole
from assume_rl.experiments.policies_on_disk.differences import Differences, Pairs, PolicyDifference
from assume_rl.experiments.policies_on_disk.verified import Verified

SHOWN = 12  # hexadecimal digits of a hash
LONGEST = 60  # characters of a value that is unlike


def print_described(console: Console, found: Mapping[str, Any]) -> None:
    """Print what policies are, and once for all that see the same what they observe.

    :param console: to print to
    :param found: what `described` returned
    """
    for line in _head(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    table = Table(
        *("policy", "network", "head"),
        *numbers(["rungs", "observes", "acts", "weights"]),
        *("type", "sha256"),
    )
    for own in found["policies"]:
        table.add_row(
            escape(own["name"]),
            escape(_network(own)),
            escape(own["head"] + (", draws" if own["draws"] else "")),
            str(own["rungs"] or NONE),
            str(own["obs_size"]),
            str(own["act_size"]),
            f"{own['parameters']:,}",
            own["dtype"],
            (own["sha256"] or NONE)[:SHOWN],
        )
    print_whole(console, table)
    for names, (features, scales, rungs) in _layouts(found["policies"]):
        _print_layout(console, names, features, scales, rungs)
    for own in found["policies"]:
        if own["made_for"]:
            made = ", ".join(f"{k} {_text(v)}" for k, v in own["made_for"].items() if v is not None)
            console.print(
                f"{own['name']} was trained for: {made}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


def _head(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['folder']}: {_count(len(found['policies']))}, {found['layout']} layout"
    trained = found["trained_in"]
    if found["algorithm"] is not None:
        where = (
            ""
            if trained is None
            else f" in {trained['scenario']}, case {trained['case']}, seed {trained['seed']}"
        )
        count = found["episodes_done"]
        after = "" if count is None else f", after {count} episodes"
        version = found["package_version"]
        yield f"trained by {found['algorithm']}{where}{after} (assume-rl {version})"
    if found["scores"]:
        scores = ", ".join(f"{name} {value:,.6g}" for name, value in found["scores"].items())
        yield f"their validation: {scores}"
    if found["settings"]:
        yield "settings: " + ", ".join(f"{k} {_text(v)}" for k, v in found["settings"].items())


def _count(policies: int) -> str:
    return f"{policies} {'policy' if policies == 1 else 'policies'}"


def _network(own: Mapping[str, Any]) -> str:
    hidden = "-".join(map(str, own["hidden"]))
    memory = f", memory of {own['memory']}" if own["memory"] else ""
    statistics = ", normalises" if own["normalised"] else ""
    return f"{own['architecture']} {hidden} {own['activation']}{memory}{statistics}"


def _layouts(policies: Sequence[Mapping[str, Any]]) -> Iterator[tuple[list[str], Any]]:
    """Yield what is observed, with the names of the policies that observe it."""
    found: dict[str, tuple[list[str], Any]] = {}
    for own in policies:
        if own["features"]:
            scales = {k: v for k, v in own["scales"].items() if v and k != "rungs"}
            layout = own["features"], scales, own["scales"]["rungs"]
            found.setdefault(json.dumps(layout), ([], layout))[0].append(own["name"])
    yield from found.values()


def _print_layout(
    console: Console,
    names: Sequence[str],
    features: Sequence[Sequence[Any]],
    scales: Mapping[str, Sequence[float]],
    rungs: Sequence[float],
) -> None:
    title = escape(f"observed by {', '.join(names)}")
    table = Table("entries", "feature", "scaling", title=title)
    first = 0
    for name, size, scaling in features:
        ends = scales.get(name)
        of = "" if ends is None else f": 0 is {ends[0]:,.6g}, 1 is {ends[1]:,.6g}"
        last = first + size - 1
        entries = str(first) if size == 1 else f"{first} to {last}"
        table.add_row(entries, escape(name), escape(scaling + of))
        first += size
    print_whole(console, table)
    if rungs:
        prices = ", ".join(f"{price:g}" for price in rungs)
        console.print(f"rungs at {prices} EUR/MWh", highlight=False, soft_wrap=True)


def print_verified(console: Console, found: Verified) -> None:
    """Print what is wrong with policies, or that nothing is."""
    for note in found.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    for problem in found.problems:
        console.print(problem, markup=False, highlight=False, soft_wrap=True)
    count = len(found.problems)
    state = "valid" if not count else f"{count} problem{'s' if count > 1 else ''}"
    console.print(
        f"{found.folder}: {_count(found.policies)}, {found.size:,} bytes: {state}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def print_differences(console: Console, found: Differences) -> None:
    """Print what two sets of policies do not have in common."""
    for title, pairs in (("from", found.origin), ("setting", found.settings)):
        for line in _unlike(pairs):
            console.print(f"{title}: {line}", markup=False, highlight=False, soft_wrap=True)
    for which, names in zip(("first", "second"), found.only, strict=True):
        if names:
            text = f"only in the {which}: {', '.join(names)}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    unlike = [own for own in found.policies if not own.equal]
    if unlike:
        heads = ("weights:\nlargest", "relative", "actions:\nlargest", "mean")
        table = Table("policy", *numbers(heads), "unlike")
        for own in unlike:
            table.add_row(escape(own.name), *_cells(own), escape(", ".join(own.fields) or NONE))
        print_whole(console, table)
    for own in unlike:
        for line in _unlike(own.fields):
            console.print(f"{own.name}: {line}", markup=False, highlight=False, soft_wrap=True)
    same = len(found.policies) - len(unlike)
    if found.equal:
        console.print(f"equal: {_count(same)}")
    elif same:
        console.print(f"equal are {same} of the {_count(len(found.policies))} that both have")


def _cells(own: PolicyDifference) -> list[str]:
    weights = (
        ["other shapes", NONE]
        if own.weights is None
        else [f"{own.weights.largest:.3g}", f"{own.weights.relative:.2%}"]
    )
    actions = (
        [NONE, NONE]
        if own.actions is None
        else [f"{own.actions.largest:.3g}", f"{own.actions.mean:.3g}"]
    )
    return [*weights, *actions]


def _unlike(pairs: Pairs) -> Iterator[str]:
    """Yield a line for each pair; of mappings for each key that is unlike."""
    for key, (a, b) in pairs.items():
        if isinstance(a, dict) and isinstance(b, dict):
            both = {k: (a.get(k), b.get(k)) for k in {**a, **b} if a.get(k) != b.get(k)}
            yield from (f"{key}.{line}" for line in _unlike(both))
        else:
            yield f"{key}: {_text(a)} | {_text(b)}"


def _text(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
