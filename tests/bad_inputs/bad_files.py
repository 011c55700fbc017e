"""Files and addresses of the wrong kind: foreign ones, damaged ones, places that are none."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image


def foreign() -> dict[str, bytes]:
    """Return the content of files that are something else than what is asked for."""
    picture, archive, pickled, array = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", "a")
    torch.save([1, 2], pickled)
    np.save(array, np.zeros(3))
    return {
        "empty": b"",
        "png": picture.getvalue(),
        "zip": archive.getvalue(),
        "pt": pickled.getvalue(),
        "npy": array.getvalue(),
        "gz": gzip.compress(b"trials = 3"),
        "elf": b"\x7fELF\x02\x01\x01" + bytes(64),
        "sqlite": b"SQLite format 3\0" + bytes(84),
        "html": b"<!doctype html><html><body>404: Not Found</body></html>\n",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "zeros": bytes(4096),
        "noise": bytes(range(256)) * 8,
    }


# A settings file: suffix and content.
CONFIGS: dict[str, tuple[str, str | bytes]] = {
    "toml_syntax": (".toml", "trials = "),
    "toml_twice": (".toml", "trials = 1\ntrials = 2\n"),
    "toml_unknown": (".toml", "trails = 3"),
    "toml_dash": (".toml", "final-seeds = 3"),
    "toml_table": (".toml", "[data]\nname = 'digits'"),
    "toml_list": (".toml", "trials = [3]"),
    "toml_text": (".toml", "trials = '3'"),
    "toml_fraction": (".toml", "trials = 3.0"),
    "toml_truth": (".toml", "epochs = true"),
    "toml_number": (".toml", "tensorboard = 1"),
    "toml_nan": (".toml", "first_rung = nan"),
    "toml_inf": (".toml", "learning_rate = inf"),
    "toml_date": (".toml", "name = 2026-01-01"),
    "toml_empty": (".toml", "out = ''"),
    "toml_enqueue": (".toml", "enqueue = 'resnet18'"),
    "toml_digits": (".toml", "trials = " + "9" * 5000),
    "toml_hexadecimal": (".toml", "trials = 0x" + "f" * 5000),
    "toml_deep": (".toml", "a = " + "[" * 100_000),
    "toml_nul": (".toml", 'out = "a\\u0000b"'),
    "toml_password": (".toml", "storage = ['mysql://me:secret@host/db']"),
    "toml_recipe": (".toml", "recipe = 'serach'"),
    "toml_recipe_field": (".toml", "recipe = { learning_rat = 1.0 }"),
    "toml_recipe_value": (".toml", "recipe = { momentum = 2.0 }"),
    "toml_bom_16": (".toml", "trials = 3".encode("utf-16")),
    "toml_latin": (".toml", "out = 'gr\xf6\xdfe'".encode("latin-1")),
    "yaml_syntax": (".yaml", "trials: [1"),
    "yaml_tab": (".yaml", "trials:\n\t- 3"),
    "yaml_twice": (".yaml", "trials: 1\ntrials: 2\n"),
    "yaml_unknown": (".yaml", "trails: 3"),
    "yaml_list": (".yaml", "- trials: 3"),
    "yaml_text": (".yaml", "trials"),
    "yaml_null_key": (".yaml", "null: 3"),
    "yaml_number_key": (".yaml", "1: 3"),
    "yaml_tag": (".yaml", "out: !!python/object/apply:os.system ['touch pwned']"),
    "yaml_own_tag": (".yaml", "out: !other x"),
    "yaml_alias": (".yaml", "out: &a runs\nname: *a\n"),
    "yaml_bomb": (
        ".yaml",
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))
        + "trials: *i\n",
    ),
    "yaml_itself": (".yaml", "enqueue: &a [*a]"),
    "yaml_date": (".yaml", "trials: 2026-01-01"),
    "yaml_sexagesimal": (".yaml", "trials: 1:30.5"),
    "yaml_two": (".yaml", "trials: 3\n---\ntrials: 4\n"),
    "yaml_deep": (".yaml", "a: " + "[" * 1200),
    "yaml_control": (".yaml", "out: a\x07b"),
    "json": (".json", '{"trials": 3}'),
    "ini": (".ini", "trials = 3"),
    "none": ("", "trials = 3"),
}
HEAD = "from se_nas import *\n"
SPACES: dict[str, tuple[str, str | bytes]] = {
    "syntax": (".py", "SPACE = ("),
    "indentation": (".py", HEAD + "  SPACE = 3"),
    "none": (".py", "x = 1"),
    "empty": (".py", ""),
    "two": (".py", HEAD + "A = Space('a', trunk='resnet18')\nB = Space('b', trunk='resnet18')"),
    "kind": (".py", "SPACE = 'resnet18'"),
    "dictionary": (".py", "SPACE = {'name': 's', 'trunk': 'resnet18'}"),
    "class": (".py", HEAD + "SPACE = Space"),
    "raises": (".py", "raise RuntimeError('first\\nsecond')"),
    "exits": (".py", "import sys\nsys.exit(0)"),
    "exits_with_text": (".py", "raise SystemExit('bye')"),
    "interrupts_itself": (".py", "raise GeneratorExit"),
    "silent": (".py", "raise Exception"),
    "escapes": (".py", "raise ValueError('\\x1b[31mred\\x1b[0m \\x07')"),
    "long": (".py", "raise ValueError('x' * 10000)"),
    "warns": (".py", "import warnings\nwarnings.warn('x')\nraise ValueError('x')"),
    "recursion": (".py", "def f(): f()\nf()"),
    "memory": (".py", "raise MemoryError"),
    "missing_module": (".py", "import nothing_like_this"),
    "missing_name": (".py", "from se_nas import Spce"),
    "latin": (".py", "x = 'gr\xf6\xdfe'".encode("latin-1")),
    "utf_16": (".py", "x = 1".encode("utf-16")),
    "nul": (".py", b"x = 1\0"),
    "encoding": (".py", "# coding: nonsense\nx = 1"),
    "misspelt": (".py", HEAD + "SPACE = Space('s', trunk='resnet81')"),
    "no_options": (".py", HEAD + "SPACE = Space('s', trunk=choice())"),
    "keyword": (".py", HEAD + "SPACE = Space('s', trunks='resnet18')"),
    "metric": (".py", HEAD + "SPACE = Space('s', trunk='resnet18', objectives=[maximize('acc')])"),
    "notebook": (".ipynb", '{"cells": [], "nbformat": 4}'),
    "compiled": (".pyc", b"\xa7\r\r\n" + bytes(12)),
    "yaml": (".yaml", "name: s"),
}
STORAGES = {
    "garbage": "garbage",
    "blank": " ",
    "scheme": "nonsense://host/db",
    "no_scheme": "://host/db",
    "driver": "mysql+nothing://me:secret@127.0.0.1/db",
    "missing_driver": "mysql://me:secret@127.0.0.1/db",
    "oracle": "oracle://me:secret@127.0.0.1/db",
    "port": "postgresql+psycopg://me:secret@127.0.0.1:1/db",
    "no_port": "postgresql+psycopg://me:secret@127.0.0.1:port/db",
    "large_port": "postgresql+psycopg://me:secret@127.0.0.1:99999/db",
    "password_with_at": "postgresql+psycopg://me:sec@secret@127.0.0.1:1/db",
    "query": "postgresql+psycopg://127.0.0.1:1/db?password=secret",
    "redis": "redis://127.0.0.1:1/0",
    "http": "http://me:secret@127.0.0.1/db",
    "file": "file:///tmp/study.db",
    "path": "/tmp/study.db",
    "hidden": "mysql://me:***@host/db",
    "sqlite_folder": "sqlite:///nowhere/study.db",
    "sqlite_is_folder": "sqlite:///folder",
    "sqlite_png": "sqlite:///png.bin",
    "sqlite_under_file": "sqlite:///png.bin/study.db",
    "sqlite_slashes": "sqlite:/study.db",
    "sqlite_host": "sqlite://host/study.db",
    "control": "sqlite:///nowhere/\x1b[31m/study.db",
}
OUTS = {
    "file": "png.bin",
    "under_file": "png.bin/runs",
    "deep_under_file": "png.bin/a/b/c",
    "device": "/dev/null",
    "proc": "/proc/runs",
    "long_name": "x" * 300,
    "long_below": "new/" + "x" * 300,
    "long_path": "/".join(["x" * 200] * 30),
    "surrogate": "/proc/\udcff",
}


# Bytes of a header: safetensors have a length of 8 bytes and JSON, zip files a signature of 4.
HEADERS = {".safetensors": 200, ".pth": 4}


def damages(suffix: str) -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    """Yield what is done to a file of weights: cut at each tenth, a byte of its header flipped."""
    for tenth in range(10):
        yield f"cut_{tenth}", lambda good, tenth=tenth: good[: len(good) * tenth // 10]
    yield "cut_by_a_byte", lambda good: good[:-1]
    for at in (*range(min(9, HEADERS[suffix])), *range(9, HEADERS[suffix], 19)):
        yield f"flipped_{at}", lambda good, at=at: flipped(good, at)


def flipped(good: bytes, at: int) -> bytes:
    return good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]


def write_places(folder: Path) -> None:
    """Write what ``STORAGES`` and ``OUTS`` name."""
    (folder / "folder").mkdir()
    (folder / "png.bin").write_bytes(foreign()["png"])
