"""Running means and variances, and numbers put on a common scale by them.

Batches are merged as by Chan, Golub and LeVeque 1979 (Stanford STAN-CS-79-773), in float64, so that
the result is that of all numbers at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

CLIP = 10.0  # standard deviations that a normalised observation is from its mean at most
LEAST_VARIANCE = 1e-8  # an entry that hardly varies stays small
STATISTICS = ("observation.count", "observation.mean", "observation.variance")
"""Names of an actor's statistics among its parameters in files; all or none are there."""


@dataclass(frozen=True)
class Moments:
    """Count, mean and variance of numbers by seed and name, float64, written in place.

    Before the first number mean and variance are 0 and 1: what is normalised is clipped at most.

    :param names: agents, or networks, whose numbers are apart
    """

    names: tuple[str, ...]
    count: Float[Tensor, "seed name 1"]
    mean: Float[Tensor, "seed name entry"]
    variance: Float[Tensor, "seed name entry"]

    @classmethod
    def fresh(
        cls, names: Sequence[str], seeds: int, entries: int, device: torch.device
    ) -> "Moments":
        """Return moments of no numbers.

        :param names: of agents or networks
        :param seeds: number of seeds
        :param entries: numbers of a row
        :param device: of the moments
        """
        shape = (seeds, len(names), entries)
        mean = torch.zeros(shape, dtype=torch.float64, device=device)
        return cls(tuple(names), mean[..., :1].clone(), mean, torch.ones_like(mean))

    @torch.no_grad()
    def add(self, rows: Float[Tensor, "seed agent row entry"]) -> None:
        """Count more rows; with fewer names than that, those of all agents count for each."""
        rows = rows.reshape(len(rows), len(self.names), -1, rows.shape[-1])
        # Rows last: a sum over them is the same whatever else is computed beside it.
        values = rows.to(self.mean.device, torch.float64).transpose(2, 3).contiguous()
        mean = values.mean(dim=-1)
        variance = (values - mean[..., None]).square().mean(dim=-1)
        self._merge(torch.full_like(self.count, rows.shape[2]), mean, variance)

    def take(self, other: "Moments") -> None:
        """Add the count of another one, which then begins anew."""
        self._merge(other.count, other.mean, other.variance)
        other.count.zero_()
        other.mean.zero_()
        other.variance.fill_(1.0)

    def deviation(self) -> Float[Tensor, "seed name entry"]:
        """Return standard deviations."""
        return deviation(self.variance)

    def normalise(
        self, rows: Float[Tensor, "seed name row entry"]
    ) -> Float[Tensor, "seed name row entry"]:
        """Return rows as `normalised` does; they may have the numbers of several steps."""
        steps = rows.reshape(*rows.shape[:2], -1, self.mean.shape[-1])
        return normalised(steps, self.mean, self.variance).reshape(rows.shape)

    def state_of(self, seed: int) -> dict[str, dict[str, Tensor]]:
        """Return copies of one seed's moments by name."""
        return {
            name: {part: value[seed, k].clone() for part, value in self._parts().items()}
            for k, name in enumerate(self.names)
        }

    def load_state_of(self, seed: int, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Overwrite one seed's moments of the names that are in `state`."""
        for k, name in enumerate(self.names):
            for part, value in self._parts().items():
                if name in state:
                    value[seed, k].copy_(state[name][part])

    def _parts(self) -> dict[str, Tensor]:
        return {"count": self.count, "mean": self.mean, "variance": self.variance}

    def _merge(self, count: Tensor, mean: Tensor, variance: Tensor) -> None:
        total = self.count + count
        share = count / total.clamp(min=1.0)
        change = (mean - self.mean).square() * (share * (1.0 - share))
        self.variance.lerp_(variance, share.expand_as(variance)).add_(change)
        self.mean.lerp_(mean, share.expand_as(mean))
        self.count.copy_(total)


def deviation(variance: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return standard deviations, never 0."""
    return variance.clamp(min=LEAST_VARIANCE).sqrt()


def normalised(
    rows: Float[Tensor, "*net row entry"],
    mean: Float[Tensor, "*net entry"],
    variance: Float[Tensor, "*net entry"],
) -> Float[Tensor, "*net row entry"]:
    """Return rows with mean 0 and variance 1, within `CLIP`, in their own precision.

    :param rows: numbers
    :param mean: of each entry
    :param variance: of each entry
    """
    centre, scale = (part.to(rows.dtype).unsqueeze(-2) for part in (mean, deviation(variance)))
    return ((rows - centre) / scale).clamp(-CLIP, CLIP)
