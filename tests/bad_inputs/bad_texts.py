"""Names and documents with one mistake each, made from good ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

NAMES = (
    "se_resnet50_s23_r16_s4_r8_max_nobias",
    "se_mobilenet_v1_r8",
    "resnet18-width32-stem.small",
)
# Mistakes of a whole name, whatever it is.
WHOLE = {
    "empty": "",
    "blank": " ",
    "overlong": "se_" + "resnet50_" * 800 + "r16",
    "nul": "resnet18\0",
    "newline": "resnet18\n",
    "other_digits": "se_resnet50_r１６",
    "arabic_digits": "se_resnet50_r\u0661\u0666",
    "unknown_trunk": "se_resnet51_r16",
    "no_ratio": "se_resnet50",
    "no_prefix": "resnet50_r16",
    "ratio_zero": "se_resnet50_r0",
    "ratio_negative": "se_resnet50_r-1",
    "ratio_huge": "se_resnet50_r" + "9" * 400,
    "ratio_fraction": "se_resnet50_r0.5",
    "ratio_exponent": "se_resnet50_r1e3",
    "ratio_nan": "se_resnet50_rnan",
    "two_ratios": "se_resnet50_r16_r8",
    "two_gates": "se_resnet50_r16_tanh_relu",
    "default_token": "se_resnet50_r16_sigmoid",
    "stage_twice": "se_resnet50_s22_r16",
    "stage_unknown": "se_resnet50_s9_r16",
    "stage_without": "se_resnet50_s2",
    "setting_zero": "resnet18-width0",
    "setting_huge": "resnet18-width" + "9" * 400,
    "setting_twice": "resnet18-width8-width16",
    "setting_empty": "resnet18-",
    "setting_unknown": "resnet18-widht8",
    "setting_underscore": "resnet18-width1\u0660",
    "setting_signed": "resnet18-width+8",
    "setting_choice": "resnet18-stem.tiny",
    "setting_tuple": "resnet18-depths0.1",
    "setting_deep": "resnet18-depths2.2.2.1000000000",
    "placement": "se_mobilenet_v1_r16_identity",
    "escape": "\x1b[31mresnet18\x1b[0m",
    "path": "../resnet18",
    "surrogate": "resnet18\udcff",
}


def bad_names() -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and the name: characters swapped, dropped and put in, and the rest."""
    yield from WHOLE.items()
    for name in NAMES:
        for i in range(0, len(name), 3):
            yield f"put_in_{i}_{name}", f"{name[:i]}\u00a7{name[i:]}"
            yield f"blank_{i}_{name}", f"{name[:i]} {name[i:]}"
        for i in range(0, min(len(name), 9), 2):
            yield f"dropped_{i}_{name}", name[:i] + name[i + 1 :]
        yield f"upper_{name}", name.upper()
        yield f"twice_{name}", f"{name}_{name}"
        yield f"behind_{name}", f"{name}_"
        yield f"se_twice_{name}", f"se_se_{name}"


OTHER = {
    "null": None,
    "text": "x",
    "negative": -1,
    "fraction": 0.5,
    "truth": True,
    "nan": float("nan"),
    "infinite": float("inf"),
    "huge": 10**30,
    "list": [[]],
    "object": {"x": {"y": 1}},
}


def bad_texts(good: str) -> Iterator[tuple[str, bytes]]:
    """Yield what is wrong, and the bytes of a JSON document that no reader may take."""
    for tenth in range(10):
        yield f"cut_{tenth}", good.encode()[: len(good) * tenth // 10]
    yield "utf_16", good.encode("utf-16")
    yield "latin_1", b"\xff" + good.encode()
    yield "twice", (good + good).encode()
    yield "list", f"[{good}]".encode()
    yield "number", b"1"
    yield "null", b"null"
    yield "deep", b"[" * 100_000
    yield "deep_object", b'{"a":' * 100_000
    yield "digits", b"9" * 5000
    yield "nul", good.encode() + b"\0"


def bad_documents(good: str, optional: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and a JSON object with one key dropped, renamed, doubled or changed.

    Args:
        optional: keys that may be left out.
    """
    data = json.loads(good)
    for path in paths(data):
        name = ".".join(map(str, path))
        if path[-1] not in optional and isinstance(path[-1], str):
            yield f"{name}_dropped", json.dumps(changed(data, path, drop=True))
        if isinstance(path[-1], str):
            yield f"{name}_renamed", json.dumps(renamed(data, path))
    for key in data:
        yield f"{key}_doubled", good[:-1] + f", {json.dumps(key)}: {json.dumps(data[key])}}}"
    yield "extra", json.dumps(data | {"extra": 1})


def bad_values(good: str, allowed: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and a JSON object with one value of another kind.

    Args:
        allowed: by key, the kinds of ``OTHER`` that it may have.
    """
    data = json.loads(good)
    for path in paths(data):
        for why, value in OTHER.items():
            if why not in allowed.get(str(path[-1]), ()):
                yield f"{'.'.join(map(str, path))}_{why}", json.dumps(changed(data, path, value))


def paths(data: Any, start: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a JSON document; of a list, of the first item."""
    items = data.items() if isinstance(data, dict) else enumerate(data[:1])
    for key, value in items:
        yield (*start, key)
        if isinstance(value, (dict, list)):
            yield from paths(value, (*start, key))


def changed(data: Any, path: tuple[Any, ...], value: Any = None, drop: bool = False) -> Any:
    copy = json.loads(json.dumps(data))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    if drop:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return copy


def renamed(data: Any, path: tuple[Any, ...]) -> Any:
    copy = json.loads(json.dumps(data))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    holder[f"{path[-1]}x"] = holder.pop(path[-1])
    return copy
