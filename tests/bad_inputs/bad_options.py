"""Bad values of every option, made from the options themselves: a new one is covered as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, get_type_hints

from se_nas.cli import COMMANDS, make_program

LONG = "x" * 5000
CONTROL = "\x1b[31mred\x1b[0m\nb"

WHOLE = {
    "negative": "-1",
    "fraction": "3.5",
    "nan": "nan",
    "inf": "inf",
    "text": "many",
    "empty": "",
    "exponent": "1e400",
    "huge": str(10**30),
    "longer": "9" * 5000,
    "control": CONTROL,
}
NUMBER = {
    "negative": "-1",
    "nan": "nan",
    "inf": "inf",
    "minus_inf": "-inf",
    "text": "half",
    "empty": "",
    "exponent": "1e400",
    "comma": "0,5",
    "control": CONTROL,
}
TEXT = {"empty": "", "long": LONG, "control": CONTROL}
# Options for which 0 means something.
ZERO = {"gpus", "seed", "split_seed", "budget", "latency_warm_up", "latency_held_out"}
# A folder of any name can be made.
ANY_NAME = {("out", "control"), ("latency_cache", "control")}
# Options that are looked at where another one says so.
WITH = {
    "data_dir": ["--data", "imagefolder"],
    "train": ["--data", "digits"],
    "weights": ["--out", "model.onnx"],
    "missing_se": ["--out", "model.onnx", "--weights", "good.safetensors"],
}
BASES = {
    "search": ["--space", "digits_se"],
    "materialize": ["se_resnet8_small_r4", "--summary"],
    "replay": ["nowhere"],
    "clean": [],
    "list": ["data"],
    "new": ["space", "there/a.py"],
    "doctor": [],
    "train": ["se_resnet8_small_r4", "--device", "cpu"],
    "verify": ["nowhere"],
    "evaluate": ["good.safetensors", "--data", "digits"],
    "predict": ["good.safetensors", "picture.png"],
    "explain": ["good.safetensors", "--data", "digits"],
    "report": ["nowhere"],
    "detect": ["se_resnet18_r16", "--data-dir", "."],
    "quantize": ["good.safetensors", "--data", "digits", "--out", "q.onnx"],
    "fold": ["good.safetensors", "--data", "digits", "--out", "folded.safetensors"],
}


class BadOption(NamedTuple):
    """A command line with one bad option."""

    option: str
    kind: str
    arguments: list[str]


def options(command: str) -> list[Any]:
    parameters = make_program().commands[command].params
    return [parameter for parameter in parameters if parameter.opts[0].startswith("-")]


def bad_values(command: str, name: str) -> dict[str, str]:
    """Return the values that an option refuses, by what is wrong with them."""
    hint = str(get_type_hints(COMMANDS[command][0])[name])
    found = WHOLE if "int" in hint else NUMBER if "float" in hint else TEXT
    if found is not TEXT and name not in ZERO:
        found = found | {"zero": "0"}
    return {why: value for why, value in found.items() if (name, why) not in ANY_NAME}


def bad_options() -> Iterator[BadOption]:
    """Yield every option of every command with every value that is bad for its kind."""
    for command, base in BASES.items():
        for parameter in options(command):
            option, start = parameter.opts[0], [command, *base, *WITH.get(parameter.name, [])]
            if parameter.is_flag:
                for flag in (option, *parameter.secondary_opts):
                    yield BadOption(flag, "with_a_value", [*start, f"{flag}=maybe"])
                    yield BadOption(flag, "misspelt", [*start, flag[:-2] + flag[-1]])
                continue
            for why, value in bad_values(command, parameter.name).items():
                yield BadOption(option, why, [*start, f"{option}={value}"])
            yield BadOption(option, "nothing", [*start, option])
