"""Makes the pictures of docs/gallery.md and the page itself: `make gallery`.

Runs the commands that the page names, in the folder of the repository, and copies a few of their
figures to docs/images/gallery, half as wide and with 256 colours.
"""

import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
RUNS = Path("runs/gallery")
PICTURES = Path("docs/images/gallery")
WIDTH = 900  # dots
HEAD = """# Gallery

Every picture comes from a small run on one processor; `make gallery` makes them again. The commands
are run in the folder of the repository.
"""


@dataclass(frozen=True)
class Picture:
    """One picture of a chapter."""

    title: str
    file: str  # pattern, in the chapter's folder
    text: str

    @property
    def name(self) -> str:
        """Of its copy."""
        return self.title.lower().replace(" ", "-") + ".png"


@dataclass(frozen=True)
class Chapter:
    """Commands, and the pictures that they leave below `runs/gallery`."""

    title: str
    folder: str
    commands: tuple[str, ...]
    pictures: tuple[Picture, ...]


CHAPTERS = (
    Chapter(
        "A plant learns",
        "demo",
        (
            "python examples/demo.py --out runs/gallery/demo",
            "assume-rl report runs/gallery/demo/matd3 --png runs/gallery/demo/figures"
            " --hours 2019-03-04T18:00",
        ),
        (
            Picture(
                "The demo",
                "demo.png",
                "Profit that two trainings miss, profit of an hour by the price asked, and prices.",
            ),
            Picture(
                "Orders of an hour",
                "figures/orders-*.png",
                "Supply and demand of a delivery. The learner offers its minimum power at the left "
                "end and the rest at the right one; diamonds are marginal costs.",
            ),
            Picture(
                "Bids and marginal costs",
                "figures/bid-cost.png",
                "Others bid on the dotted line; the learner does not.",
            ),
            Picture(
                "Residual supply",
                "figures/residual-supply-*.png",
                "Below 1, demand cannot be served without that operator.",
            ),
        ),
    ),
    Chapter(
        "A national system",
        "national",
        (
            "assume-rl run scenarios/national --case week --out runs/gallery/national --overwrite",
            "assume-rl report runs/gallery/national --png runs/gallery/national/figures",
        ),
        (
            Picture(
                "Dispatch by technology", "figures/dispatch.png", "A week in January, 160 plants."
            ),
            Picture("Price duration", "figures/price-duration.png", "The prices of that week."),
        ),
    ),
    Chapter(
        "A summer week",
        "summer",
        (
            "assume-rl run scenarios/summer_week --out runs/gallery/summer --overwrite",
            "assume-rl report runs/gallery/summer --png runs/gallery/summer/figures",
        ),
        (
            Picture(
                "Prices below zero",
                "figures/prices.png",
                "Sun and wind exceed the demand at noon.",
            ),
            Picture(
                "State of charge",
                "figures/state-of-charge.png",
                "A pumped hydro plant and a battery buy then and sell in the evenings.",
            ),
        ),
    ),
    Chapter(
        "Border and industry",
        "border",
        (
            "assume-rl run scenarios/border_and_industry --out runs/gallery/border --overwrite",
            "assume-rl report runs/gallery/border --png runs/gallery/border/figures"
            " --hours 2019-10-08T18:00",
        ),
        (
            Picture(
                "Demand with steps",
                "figures/orders-*.png",
                "Two works buy less the dearer power is; at 40 EUR/MWh the neighbour would buy, at "
                "50 EUR/MWh it sells and sets the price.",
            ),
            Picture(
                "Trade over the border",
                "figures/storages.png",
                "Imports mostly in the evenings, exports (below zero) in windy nights.",
            ),
        ),
    ),
    Chapter(
        "A study of market designs",
        "study",
        (
            "assume-rl batch docs/generate/gallery.yaml --out runs/gallery/study --workers 2",
            "assume-rl report runs/gallery/study --png runs/gallery/study/figures",
        ),
        (
            Picture(
                "Designs compared",
                "figures/compare-train-total-cost-eom.png",
                "What plants are paid, five seeds each: interquartile mean and its 95 % interval.",
            ),
            Picture(
                "Learning curves",
                "figures/profit-in-evaluations.png",
                "The same trainings; dashed: the exact best response, dotted: bids at marginal "
                "cost.",
            ),
        ),
    ),
)


def main() -> None:
    """Run everything, copy the pictures, write the page."""
    console, start = Console(highlight=False, soft_wrap=True), time.perf_counter()
    for chapter in CHAPTERS:
        shutil.rmtree(ROOT / RUNS / chapter.folder, ignore_errors=True)
        for command in chapter.commands:
            console.print(f"$ {command}", markup=False)
            subprocess.run(arguments(command), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        for picture in chapter.pictures:
            copy(min((ROOT / RUNS / chapter.folder).glob(picture.file)), picture)
    (ROOT / "docs" / "gallery.md").write_text(page(), encoding="utf-8")
    console.print(f"docs/gallery.md, {time.perf_counter() - start:.0f} s")


def arguments(command: str) -> list[str]:
    """Return a command as it is started here, with this Python."""
    program, *rest = shlex.split(command)
    start = {"python": [sys.executable], "assume-rl": [sys.executable, "-m", "assume_rl.cli"]}
    return [*start[program], *rest]


def copy(source: Path, picture: Picture) -> None:
    """Copy a picture, made small."""
    with Image.open(source) as full:
        height = round(full.height * WIDTH / full.width)
        small = full.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    target = ROOT / PICTURES / picture.name
    target.parent.mkdir(parents=True, exist_ok=True)
    small.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


def page() -> str:
    """Return the page of all pictures."""
    return "\n".join([HEAD, *map(_chapter, CHAPTERS)])


def _chapter(chapter: Chapter) -> str:
    # Not as a block of code: docs tests would run it all again.
    commands = "\n".join(f"- `{command}`" for command in chapter.commands)
    pictures = "\n\n".join(
        f"### {p.title}\n\n{p.text}\n\n![{p.title}](images/gallery/{p.name})"
        for p in chapter.pictures
    )
    return f"## {chapter.title}\n\n{commands}\n\n{pictures}\n"


if __name__ == "__main__":
    main()
