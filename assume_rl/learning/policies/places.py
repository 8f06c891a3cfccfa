"""Where policies are: the folders that hold some, in our layout or in ASSUME's.

Nothing heavy is loaded for it, so that a wrong folder is answered at once.
"""

from pathlib import Path

from assume_rl.errors import PolicyError, nearest

MOST_NAMED = 12
"""Folders beside a missing one that a message names."""

MANIFEST = "manifest.json"
PENDING = ".saving"
"""Subfolder in which a new set of files gathers, see `files`."""


def find(folder: Path, name: str) -> Path:
    """Return the path of file `name` in the newest complete set of `folder`."""
    pending = folder / PENDING
    if (pending / MANIFEST).is_file() and (pending / name).is_file():
        return pending / name
    return folder / name


def manifest_of(folder: Path) -> Path:
    """Return the path of the manifest of a folder in our layout; `PolicyError` if it has none."""
    path = find(folder, MANIFEST)
    if path.is_file():
        return path
    inside = sorted(child.name for child in folder.glob("*/") if has_policies(child))
    raise PolicyError(
        f"'{folder}' is not a policy folder: it has neither {MANIFEST} nor actors/actor_<unit>.pt"
        + (f"; policies are in {', '.join(inside)}" if inside else "")
    )


def is_assume_layout(folder: Path) -> bool:
    """Return whether `folder` holds `actors/actor_<unit>.pt`, or is such an `actors` folder."""
    return any(actors_folder(Path(folder)).glob("actor_*.pt"))


def actors_folder(folder: Path) -> Path:
    """Return where the actors of a folder in ASSUME's layout are."""
    return folder / "actors" if (folder / "actors").is_dir() else folder


def check_folder(folder: Path) -> None:
    """Raise `PolicyError` unless `folder` is one; of a file the sentence names its folder."""
    if folder.is_file():
        raise PolicyError(
            f"'{folder}' is a file, not a policy folder: name the folder that it is in, "
            f"'{folder.parent}', or set policies.<unit> to the file"
        )
    if not folder.is_dir():
        others = [own.name for own in folder.parent.glob("*/") if has_policies(own)]
        hint = f", {nearest(folder.name, others)}" if 0 < len(others) <= MOST_NAMED else ""
        raise PolicyError(f"policy folder '{folder}' does not exist{hint}")


def has_policies(folder: Path) -> bool:
    """Return whether a folder has policies, or folders of them, unlike those of evaluations."""
    inside = (folder / name for name in ("policies", "last", "actors"))
    files = (file for kind in ("*.safetensors", "actor_*.pt") for file in folder.glob(kind))
    return any(own.is_dir() for own in inside) or any(files)
