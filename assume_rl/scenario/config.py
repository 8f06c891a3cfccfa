"""`config.yaml`: one study case, with overrides, as a validated `StudyCase`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from assume_rl.errors import nearest
from assume_rl.scenario.problems import Location, Problems, explain
from assume_rl.scenario.schema import UNREAD_KEYS, StudyCase

CONFIG_FILE = "config.yaml"

# Sections that an override may open where the study case has none.
OPTIONAL_SECTIONS = (
    "learning_config",
    "bidding_strategy_params",
    "forecast_algorithms",
    "policies",
)


class _Loader(yaml.SafeLoader):
    """YAML, but a key written twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        written = [k.value for k, _ in node.value if k.tag != "tag:yaml.org,2002:merge"]
        for key in written:
            if written.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is written twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def read_case(
    folder: Path, case: str | None, overrides: Mapping[str, Any], problems: Problems
) -> tuple[str, StudyCase]:
    """Name and settings of a study case (None: the first one of the file).

    `overrides` replaces settings by dotted key (`learning_config.gamma`); text is read as YAML.
    Raises `ScenarioError` through `problems`, with every problem of the configuration.
    """
    cases = _cases(folder, problems)
    name = case or next(iter(cases))
    if name not in cases:
        problems.error(CONFIG_FILE, f"unknown study case '{name}'; {nearest(name, cases)}")
        problems.check()
    settings = cases[name]
    if not isinstance(settings, dict):
        problems.error(f"{CONFIG_FILE}, {name}", "must be a mapping of settings")
        problems.check()
    settings = _drop_unread(settings, f"{CONFIG_FILE}, {name}", problems)
    for key, value in overrides.items():
        settings = _override(settings, key, value, problems)
    settings = _prefix_paths(settings, folder)
    return name, _validate(settings, name, overrides, problems)


def _cases(folder: Path, problems: Problems) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    content: Any = None
    if not folder.is_dir():
        problems.error(str(folder), "is not a folder")
    elif not path.is_file():
        problems.error(CONFIG_FILE, f"is missing in {folder}")
    else:
        content = _parse(path, problems)
    if _holds_itself(content):
        problems.error(CONFIG_FILE, "an anchor (&) holds an alias (*) of itself")
    problems.check()
    if not isinstance(content, dict) or not content:
        problems.error(CONFIG_FILE, "must map study-case names to settings")
        problems.check()
    return {str(name): settings for name, settings in content.items()}


def _parse(path: Path, problems: Problems) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except UnicodeDecodeError:
        problems.error(CONFIG_FILE, "is not UTF-8 text")
    except yaml.YAMLError as error:
        problems.error(CONFIG_FILE, f"is not valid YAML: {' '.join(str(error).split())}")
    return None


def _holds_itself(node: Any, above: frozenset[int] = frozenset()) -> bool:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return id(node) in above or any(_holds_itself(c, above | {id(node)}) for c in children)


def _drop_unread(settings: Any, where: str, problems: Problems) -> Any:
    """`settings` without keys that public folders carry although nothing reads them."""
    if isinstance(settings, list):
        return [_drop_unread(v, f"{where}.{i}", problems) for i, v in enumerate(settings)]
    if not isinstance(settings, dict):
        return settings
    for key in UNREAD_KEYS & settings.keys():
        problems.warn(f"{where}.{key}", "nothing reads this key")
    kept = {k: v for k, v in settings.items() if k not in UNREAD_KEYS}
    return {k: _drop_unread(v, f"{where}.{k}", problems) for k, v in kept.items()}


def _override(settings: dict[str, Any], key: str, value: Any, problems: Problems) -> dict[str, Any]:
    """`settings` with the value at dotted `key` replaced; validation judges the last part."""
    if isinstance(value, str):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            problems.error(f"override {key}", f"{value!r} is not valid YAML")
            return settings
    try:
        replaced: dict[str, Any] = _replace(settings, key.split("."), value)
    except KeyError as error:
        problems.error(f"override {key}", str(error.args[0]))
        return settings
    return replaced


def _replace(node: Any, parts: list[str], value: Any) -> Any:
    head, *rest = parts
    if isinstance(node, list) and head.isdigit() and int(head) < len(node):
        new = value if not rest else _replace(node[int(head)], rest, value)
        return [new if i == int(head) else old for i, old in enumerate(node)]
    if not isinstance(node, dict):
        raise KeyError(f"there is no '{head}' to set")
    if not rest:
        return {**node, head: value}
    child = node.get(head)
    if child is None:
        if head not in OPTIONAL_SECTIONS:
            raise KeyError(f"unknown key '{head}'; {nearest(head, [*node, *OPTIONAL_SECTIONS])}")
        child = {}
    return {**node, head: _replace(child, rest, value)}


def _prefix_paths(settings: Any, folder: Path, key: str = "") -> Any:
    """`settings` with every text under a key that ends in `_path`, or a policy, in the folder."""
    if isinstance(settings, dict):
        in_policies = key == "policies"
        return {
            k: _prefix_paths(v, folder, "_path" if in_policies else str(k))
            for k, v in settings.items()
        }
    if isinstance(settings, list):
        return [_prefix_paths(value, folder, key) for value in settings]
    if not key.endswith("_path") or not isinstance(settings, str):
        return settings
    path = Path(settings)
    return str(path if path.is_relative_to(folder) else folder / path)


def _validate(
    settings: dict[str, Any], case: str, overrides: Mapping[str, Any], problems: Problems
) -> StudyCase:
    if "learning_mode" in settings:
        problems.error(
            f"{CONFIG_FILE}, {case}.learning_mode", "belongs into the section learning_config"
        )
        settings = {k: v for k, v in settings.items() if k != "learning_mode"}
    config = _repaired(settings, case, overrides, problems)
    if config is None:
        problems.check()
        raise AssertionError("a study case is refused with at least one problem")
    for where, what in _without_effect(config):
        problems.warn(f"{CONFIG_FILE}, {case}.{where}", what)
    return config


def _repaired(
    settings: Any,
    case: str,
    overrides: Mapping[str, Any],
    problems: Problems,
    follow_up: bool = False,
) -> StudyCase | None:
    """The study case; if it is refused, what is left without the refused parts.

    The problems noted refuse the scenario, but the tables can be checked in the same go. None if
    too little is left for that.
    """
    try:
        return StudyCase.model_validate(settings)
    except ValidationError as error:
        rest = settings
        for kind, location, sentence in explain(error, StudyCase):
            # Leaving a part out must not be told as a fault of its own.
            if not (follow_up and kind in ("missing", "too_short")):
                problems.error(_where(location, case, overrides), sentence)
            part = location[:-1] if kind == "missing" else location
            rest = _without(rest, part) if part else {}
    if not rest or rest == settings:
        return None
    return _repaired(rest, case, overrides, problems, follow_up=True)


def _without(node: Any, location: Location) -> Any:
    """`node` without what is at `location`."""
    head, *rest = location
    if isinstance(node, list) and isinstance(head, int) and head < len(node):
        tail = [_without(node[head], tuple(rest))] if rest else []
        return [*node[:head], *tail, *node[head + 1 :]]
    if not isinstance(node, dict) or head not in node:
        return node
    if rest:
        return {**node, head: _without(node[head], tuple(rest))}
    return {key: value for key, value in node.items() if key != head}


def _where(location: Location, case: str, overrides: Mapping[str, Any]) -> str:
    key = ".".join(map(str, location))
    if any(key == o or key.startswith(f"{o}.") for o in overrides):
        return f"override {key}"
    return f"{CONFIG_FILE}, {case}.{key}" if key else f"{CONFIG_FILE}, {case}"


def _without_effect(config: StudyCase) -> Iterator[tuple[str, str]]:
    """Settings that are valid but that nothing here reads."""
    unread = {"outputs_buffer_size_mb", "forecast_save_file"} & config.model_fields_set
    yield from ((key, "nothing reads this key") for key in sorted(unread))
    if config.save_forecasts:
        yield "save_forecasts", "not supported yet: forecasts are not saved"
    params = config.bidding_strategy_params
    for key in sorted(params.model_fields_set - {"foresight", "act_dim", "unique_obs_dim"}):
        yield f"bidding_strategy_params.{key}", "no supported strategy reads this key"
    for name, market in config.markets_config.items():
        fields = {"max_gradient", "additional_fields", "supports_get_unmatched", "param_dict"}
        for key in sorted(fields & market.model_fields_set):
            if getattr(market, key):
                yield f"markets_config.{name}.{key}", "no supported market reads this key"
