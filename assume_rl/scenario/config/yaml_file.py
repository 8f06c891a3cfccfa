"""Read YAML strictly: a key written twice is an error, and 1e-5 is a number."""

import re
from pathlib import Path
from typing import Any

import yaml

from assume_rl.errors import ScenarioError


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses a key written twice, instead of keeping the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        written = [k.value for k, _ in node.value if k.tag != "tag:yaml.org,2002:merge"]
        for key in written:
            if written.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is written twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


# As in YAML 1.2; PyYAML reads a number with an exponent as text unless it has a dot and a sign.
_EXPONENT = re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def read_yaml(path: Path) -> Any:
    """Return the content of a file.

    :raises ScenarioError: it is not UTF-8 text or not valid YAML.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except UnicodeDecodeError:
        raise ScenarioError(f"{path.name}: is not UTF-8 text") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter: a date such as 2019-02-30
        reason = " ".join(str(error).split())
        raise ScenarioError(f"{path.name}: is not valid YAML: {reason}") from None
    if _holds_itself(content):
        raise ScenarioError(f"{path.name}: an anchor (&) holds an alias (*) of itself")
    return content


def read_value(text: str) -> Any:
    """Return the value that `text` represents, e.g. the number 0.9 for "0.9".

    :raises ValueError: it is not valid YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError):
        raise ValueError(f"{text!r} is not valid YAML") from None


def _holds_itself(node: Any, above: frozenset[int] = frozenset()) -> bool:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return id(node) in above or any(_holds_itself(c, above | {id(node)}) for c in children)
