"""What is in the package beside modules is in its wheels too."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_file_beside_the_modules_is_declared() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["assume_rl"]
    package = ROOT / "assume_rl"
    files = [path.relative_to(package) for path in package.rglob("*") if path.is_file()]
    others = [path for path in files if path.suffix not in (".py", ".pyc")]
    assert others
    missing = [
        path for path in others if not any(fnmatch(path.as_posix(), own) for own in patterns)
    ]
    assert not missing
