"""Suggestions for misspelt names: prefix, trunk, settings and SE tokens at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import fields

from se_nas import trunks
from se_nas.errors import InputError
from se_nas.se import SE_TOKEN
from se_nas.trunks import Trunk

# Words for default settings, which have no token.
DEFAULTS = ("avg", "sigmoid", "standard", "bias", "floor")


def suggest_name(text: str, tokens: Collection[str], canonical: Callable[[str], str]) -> str | None:
    """Return the name nearest to ``text`` that can be parsed, or None.

    Args:
        text: a name with an unknown trunk, setting or token in it.
        tokens: all SE tokens but stages and ratios.
        canonical: a name → its canonical form; an ``InputError`` if there is no such name.
    """
    for written in (text.lower(), text.lower().replace("-", "_")):
        parts = written.split("_")
        first = next((i for i, part in enumerate(parts) if SE_TOKEN.match(part)), len(parts))
        base, *settings = "_".join(parts[:first]).split("-")
        se = "".join(f"_{_token(part, tokens)}" for part in parts[first:] if part not in DEFAULTS)
        candidates = _candidates(base, settings, se)
        for near in difflib.get_close_matches(base + se, candidates, n=4, cutoff=0.6):
            try:
                return canonical(candidates[near])
            except InputError:
                continue
        if base.removeprefix("se_") in trunks.named():
            break
    return None


def _candidates(base: str, settings: list[str], se: str) -> dict[str, str]:
    """Map each text to compare with to its name: trunks with the given settings and SE."""
    with_se = bool(se) or base.startswith("se")
    se = se or "_r16"
    bare = base.removeprefix("se_")
    right = bare in trunks.named()
    kept = {bare: trunks.named()[bare]} if right else trunks.named()
    found: dict[str, str] = {}
    for name, trunk in kept.items():
        plain = "-".join([name, *(_setting(setting, trunk) for setting in settings)])
        found[f"se_{name}{se}" if with_se else name] = f"se_{plain}{se}" if with_se else plain
    for public, long in () if right else trunks.aliases().items():
        # Such a name stands for a trunk with its SE; another SE goes to that trunk.
        own = re.split(r"_(?=[sr]\d)", long, maxsplit=1)[0]
        found |= {public: public, f"{public}{se}": f"{own}{se}", f"se_{public}{se}": f"{own}{se}"}
    return found


def _token(word: str, tokens: Collection[str]) -> str:
    if SE_TOKEN.match(word) or word in tokens:
        return word
    return next(iter(difflib.get_close_matches(word, tokens, n=1, cutoff=0.5)), word)


def _setting(text: str, trunk: Trunk) -> str:
    """Correct the name of a setting's field and leave its value alone."""
    names = [field.name for field in fields(trunk)]
    word = re.sub(r"[^a-z_].*", "", text)
    if word in names:
        return text
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return near[0] + text[len(word) :] if near else text
