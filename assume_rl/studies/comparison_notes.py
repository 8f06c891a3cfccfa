"""The notes beside the figures of a comparison, in words."""

from collections.abc import Iterator, Sequence

from assume_rl.evaluation.significance import smallest_p
from assume_rl.studies.contrasts import DesignScore

SCALE = "learning_config.max_bid_price"  # rewards are divided by it, see core/money.py
ENOUGH = 5  # runs of a design for an interval that says more than lowest to highest


def notes_on(
    metric: str, scores: Sequence[DesignScore], baseline: str | None, level: float
) -> tuple[str, ...]:
    """Return notes on unlike scales, missing seeds, too few runs and several comparisons.

    :param metric: what is compared
    :param scores: with their contrasts; the baseline, if there is one, comes first
    """
    others = scores[1:] if baseline is not None else ()
    pairs = [len(one.contrast.seeds) for one in others if one.contrast]
    return (
        *_scaled(metric, scores),
        *(note for one in scores for note in _missing(one)),
        *_few(scores),
        *(note for one in others for note in _unpaired(one, scores[0])),
        *_too_few(pairs, 1 - level),
        *_several(pairs, baseline),
    )


def _scaled(metric: str, scores: Sequence[DesignScore]) -> Iterator[str]:
    """Yield a note if rewards are on different scales: equal profits give unequal rewards."""
    scales = {repr(one.runs.parameters.get(SCALE)) for one in scores if one.runs.values}
    if metric.rsplit(".", maxsplit=1)[-1] == "reward" and len(scales) > 1:
        yield (
            "rewards are scaled by max_bid_price, which differs between designs: compare profit "
            "instead"
        )


def _missing(score: DesignScore) -> Iterator[str]:
    """Yield the seeds without a value, those with the same reason together."""
    missing = score.runs.missing
    for why in dict.fromkeys(missing.values()):
        seeds = [seed for seed, reason in missing.items() if reason == why]
        yield f"design '{score.design}' lacks {_seeds(seeds)}: {why}"
    if len(score.runs.values) == 1:
        yield f"design '{score.design}' has one run: there is no telling how sure its figures are"


def _few(scores: Sequence[DesignScore]) -> Iterator[str]:
    """Yield a note if resampling has too few runs; a single run has no interval."""
    few = [f"'{one.design}'" for one in scores if 1 < len(one.runs.values) < ENOUGH]
    if few:
        whose = f"the interval of {few[0]}" if len(few) == 1 else f"the intervals of {_shown(few)}"
        what = "is" if len(few) == 1 else "are"
        yield f"{whose}, with fewer than {ENOUGH} runs, {what} little more than lowest to highest"


def _unpaired(score: DesignScore, baseline: DesignScore) -> Iterator[str]:
    """Yield a note on the seeds of only one of two designs, unless `_missing` names them."""
    noted = set(score.runs.missing) | set(baseline.runs.missing)
    left_out = sorted((set(score.runs.values) ^ set(baseline.runs.values)) - noted)
    if score.contrast is None:
        yield f"design '{score.design}' has no seed in common with '{baseline.design}'"
    elif left_out:
        yield (
            f"'{score.design}' against '{baseline.design}': {_seeds(left_out)} left out, which "
            "only one of them has"
        )


def _too_few(pairs: Sequence[int], rate: float) -> Iterator[str]:
    """Yield a note if no difference, however clear, could be significant."""
    smallest = len(pairs) * smallest_p(max(pairs, default=1))
    if pairs and smallest > rate + 1e-12:
        most = max(pairs)
        yield (
            f"{most} equal seed{' is' if most == 1 else 's are'} too few to tell any difference "
            f"from chance: the smallest adjusted p-value that can be is {min(1, smallest):.3g}"
        )


def _several(pairs: Sequence[int], baseline: str | None) -> Iterator[str]:
    if len(pairs) > 1:
        yield (
            f"{len(pairs)} designs are compared with '{baseline}': judge by the adjusted p-values "
            "(Holm), which allow for that; the intervals are those of each comparison alone"
        )


def _seeds(seeds: Sequence[int]) -> str:
    """Return the seeds in words, long lists shortened."""
    shown = _shown([str(seed) for seed in seeds])
    return f"seed {shown}" if len(seeds) == 1 else f"{len(seeds)} seeds ({shown})"


def _shown(items: Sequence[str]) -> str:
    return ", ".join(items[:10]) + (", ..." if len(items) > 10 else "")
