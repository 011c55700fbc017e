"""Settings in a file, by the names of their options: TOML or YAML is read, TOML is written."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from se_nas.errors import InputError
from se_nas.files import expand_home
from se_nas.search.config import SearchConfig, without_password
from se_nas.settings import PANELS, by_option, check_options, settings_of, with_options


def read_settings(file: str, kind: type[SearchConfig] = SearchConfig) -> dict[str, Any]:
    """Return the settings in a file, as ``config_from_options`` takes them.

    Raises:
        InputError: the file cannot be read, or holds something else than settings.
    """
    file = expand_home(file)
    parse = PARSERS.get(Path(file).suffix.lower())
    if parse is None:
        raise InputError(f"config is {file!r}; give a file of settings, {', '.join(PARSERS)}")
    try:
        values = parse(Path(file).read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise InputError("it holds no settings by name, such as trials = 20")
        check_options(kind, values)
    except OSError as error:
        raise InputError(f"config {file!r}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # of the parsers, InputError, no UTF-8
        raise InputError(f"config {file!r}: {' '.join(str(error).split())}") from None
    return values


def to_toml(config: SearchConfig) -> str:
    """Return all settings that are not None as TOML, without the password of the storage.

    What the named recipe decides is left out: another recipe beside the file then has its own.
    """
    values = by_option(config)
    inherited = by_option(with_options(config, {"recipe": values["recipe"]}))
    values["storage"] = config.storage and without_password(config.storage)
    table = settings_of(type(config))
    for name, own in table.items():
        if own.path[0] == "recipe" and len(own.path) == 2 and values[name] == inherited[name]:
            values[name] = None
    lines = ["# se-nas search --config run.toml", *_objects(config)]
    for panel in PANELS:
        lines += ["", f"# {panel}"]
        lines += [
            f"{name} = {_toml(value)}"
            for name, value in values.items()
            if table[name].panel == panel and value is not None
        ]
    return "\n".join(lines) + "\n"


def _objects(config: SearchConfig) -> Iterator[str]:
    """Yield a comment on each setting that is the name of a Python object, not kept in a file."""
    from se_nas.data import DATASETS  # late: it imports torch

    again = "was given as a Python object: give it again, to se_nas.run_search"
    if config.data.name not in DATASETS and not config.data.name.endswith(".py"):
        yield f"# data {again}"
    if config.train is not None and not config.train.endswith(".py"):
        yield f"# train {again}"


def _toml(value: Any) -> str:
    if isinstance(value, str):  # JSON's escapes are TOML's, which knows one character more
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _from_toml(text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    return tomllib.loads(text)


def _from_yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """PyYAML's safe loader, but 1e-3 is a number: PyYAML reads it as a text.

        A key that is there twice is an error, of which PyYAML takes the last one. So is an alias:
        settings need none, and a few lines of them stand for more than fits into memory.
        """

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError(f"line {self.peek_event().start_mark.line + 1} has an alias (*)")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [key.value for key, _ in node.value if isinstance(key.value, str)]
            for key in keys:
                if keys.count(key) > 1:
                    raise ValueError(f"{key} is there twice")
            return super().construct_mapping(node, deep)

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), [*"-+0123456789"]
    )
    try:
        found = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    return {} if found is None else found


PARSERS = {".toml": _from_toml, ".yaml": _from_yaml, ".yml": _from_yaml}
