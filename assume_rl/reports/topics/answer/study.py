"""The answer of a study: by how much designs differ, and how sure that is."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from assume_rl.errors import AssumeRlError
from assume_rl.experiments.metric_names import axis_name, unit_of, words_of
from assume_rl.reports.page.cells import short
from assume_rl.reports.source.source import Source
from assume_rl.reports.topics.answer.words import counted
from assume_rl.reports.topics.comparison import DRAWN, SAME, compared_metrics, rank
from assume_rl.reports.types import Fact, Grid, Item, Lead, RunInfo
from assume_rl.studies.comparison import Comparison, compare
from assume_rl.studies.contrasts import Contrast, DesignScore

NAMED = 3  # designs that are compared in words
TILES = 5  # designs with a number of their own
LEVEL = 0.05  # of the tests
COMPARED = 4  # metrics in the table of differences
MINUS = "\N{MINUS SIGN}"


def study_items(source: Source, done: Sequence[RunInfo]) -> Iterator[Item]:
    """Yield by how much designs differ, how sure that is, and the table of differences."""
    designs = list(dict.fromkeys(run.design for run in source.runs))
    seeds = {run.seed for run in source.runs}
    shown = ", ".join(designs[:6]) + (f" and {len(designs) - 6} more" if len(designs) > 6 else "")
    first = (
        f"{counted(len(designs), 'design')} ({shown}), {counted(len(seeds), 'seed')}: "
        f"{len(done)} of {counted(len(source.runs), 'run')} finished."
    )
    differs = _differing(source.runs)
    settings = (f"Designs differ in {', '.join(differs[:4])}.",) if differs else ()
    found = list(_comparisons(source, designs))
    if not found:
        yield Lead((first, *settings, "No metric differs between runs."))
        return
    main = found[0]
    tested = len(designs) <= DRAWN
    words = tuple(_contrasts(main)) if tested else (_extremes(main),)
    unsure = () if words else ("One design: there is nothing to compare it with.",)
    yield Lead((*words[:2], first, *settings, *words[2:], *unsure), tuple(_tiles(main)))
    if words and tested:
        yield _differences(found)


def _differing(runs: Sequence[RunInfo]) -> list[str]:
    """Return the settings that are not the same in all runs."""
    keys = dict.fromkeys(key for run in runs for key in run.parameters)
    return [key for key in keys if len({repr(run.parameters.get(key)) for run in runs}) > 1]


def _comparisons(source: Source, designs: Sequence[str]) -> Iterator[Comparison]:
    """Yield comparisons with the first design on the metrics that say most, if they differ."""
    chosen = sorted(compared_metrics(source), key=lambda pair: rank(pair[1]))
    count, seen = 0, set()
    for step, name in chosen:
        if name in seen or count == (COMPARED if len(designs) <= DRAWN else 1):
            continue
        first = designs[0] if len(designs) <= DRAWN else None
        try:
            found = compare(
                source.database or "", name, step=step, baseline=first, asked=source.asked
            )
        except AssumeRlError:  # the section on all metrics says why
            continue
        values = [value for one in found.designs for value in one.runs.values.values()]
        if len(values) < 2 or math.isclose(min(values), max(values), rel_tol=SAME):
            continue
        seen.add(name)
        count += 1
        yield found


def _contrasts(found: Comparison) -> Iterator[str]:
    """Yield a sentence for each of a few designs, those that differ most."""
    base = found.designs[0]
    others = [one for one in found.designs[1:] if one.contrast is not None]
    ranked = sorted(others, key=lambda one: -abs(_mean(one)))
    for one in ranked[:NAMED]:
        yield from _sentences(found, base, one)
    if len(ranked) > NAMED:
        yield f"Of {len(ranked)} designs beside {base.design} these differ most."


def _extremes(found: Comparison) -> str:
    """Return the highest and the lowest of many designs, which are not tested."""
    known = sorted((d for d in found.designs if d.runs.values), key=lambda one: one.iqm.estimate)
    low, high = known[0], known[-1]
    unit = unit_of(found.metric)
    return (
        f"{words_of(found.metric)}: {short(high.iqm.estimate)} {unit} in {high.design}, the "
        f"highest interquartile mean, {short(low.iqm.estimate)} {unit} in {low.design}, the "
        f"lowest. More than {DRAWN} designs are not tested here: assume-rl compare."
    ).replace("  ", " ")


def _mean(one: DesignScore) -> float:
    return 0.0 if one.contrast is None else one.contrast.paired.mean.estimate


def _sentences(found: Comparison, base: DesignScore, one: DesignScore) -> Iterator[str]:
    """Yield how much a design differs from the baseline, and how sure that is."""
    contrast = one.contrast
    assert contrast is not None
    mean, unit = contrast.paired.mean, unit_of(found.metric)
    against = f"{one.design} against {base.design}"
    if mean.estimate == 0:
        yield f"{against}: {words_of(found.metric)} is equal on all seeds."
        return
    same = float(np.mean([base.runs.values[seed] for seed in contrast.seeds]))
    share = f" ({mean.estimate / abs(same):+.1%})" if same else ""
    much = " ".join(filter(None, (short(abs(mean.estimate)), unit)))
    more = "higher" if mean.estimate > 0 else "lower"
    yield f"{against}: {words_of(found.metric)} {much} {more}{share.replace('-', MINUS)}."
    yield (
        f"{100 * found.level:g} % interval {short(mean.low)} to {short(mean.high)} {unit}, "
        f"{counted(contrast.paired.pairs, 'seed')} in common, adjusted p "
        f"{contrast.p_adjusted:.2g}: {_sure(contrast)}."
    ).replace(" ,", ",")


def _sure(contrast: Contrast) -> str:
    mean = contrast.paired.mean
    if not math.isfinite(mean.low) or contrast.paired.pairs < 2:
        return "one seed, so that nothing can be said of chance"
    if contrast.p_adjusted < LEVEL:
        return f"significant at {100 * LEVEL:g} %"
    if mean.low > 0 or mean.high < 0:
        return "the interval leaves out zero, but the test does not reject chance with these seeds"
    return "cannot be distinguished from chance with these seeds"


def _tiles(found: Comparison) -> Iterator[Fact]:
    known = [one for one in found.designs if one.runs.values]
    for one in known[:TILES]:
        sure = f"{100 * found.level:g} %: {short(one.iqm.low)} to {short(one.iqm.high)}, "
        several = len(one.runs.values) > 1
        yield Fact(
            one.design,
            short(one.iqm.estimate),
            unit_of(found.metric),
            f"{words_of(found.metric)}, IQM; {sure if several else ''}"
            f"{counted(len(one.runs.values), 'run')}",
        )


def _differences(found: Sequence[Comparison]) -> Grid:
    """Return the table of differences from the baseline, a row per metric and design."""
    rows = [
        (
            axis_name(each.metric),
            one.design,
            one.iqm.estimate,
            *_cells(one.contrast),
        )
        for each in found
        for one in each.designs
    ]
    base = found[0].baseline
    return Grid(
        f"Differences from {base}",
        (
            *("metric", "design", "IQM", "difference", "low", "high", "seeds", "adjusted p"),
            "probability of more",
        ),
        rows,
        "Difference: mean over the seeds that both have, with its "
        f"{100 * found[0].level:g} % bootstrap interval; p of the paired permutation test, by "
        "Holm's procedure over the designs of a metric.",
        by_row=True,
    )


def _cells(contrast: Contrast | None) -> tuple[object, ...]:
    if contrast is None:
        return (None, None, None, None, None, None)
    mean = contrast.paired.mean
    return (
        *(mean.estimate, mean.low, mean.high, contrast.paired.pairs),
        *(f"{contrast.p_adjusted:.3g}", f"{contrast.higher.estimate:.0%}"),
    )
