"""What the documents say is so: links, names, spaces, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from se_nas import Architecture, Space, list_models
from se_nas.se import tokens
from se_nas.space.space_files import space_files

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_names_in_the_readme_are_names() -> None:
    text = (ROOT / "README.md").read_text()
    found = set(re.findall(r"[\"`](se_[a-z0-9]+_[A-Za-z0-9_.-]+|resnet50(?:_tv)?)[\"`]", text))
    found = {name for name in found if not name.endswith((".py", ".safetensors", "_nas"))}
    assert len(found) >= 5
    for name in found:
        assert str(Architecture.parse(name)) == name


def test_the_readmes_space_is_a_space() -> None:
    text = (ROOT / "README.md").read_text()
    code = next(
        block
        for block in re.findall(r"```python\n(.*?)```", text, re.S)
        if "SPACE = Space(" in block
    )
    values: dict[str, object] = {}
    exec(code, values)
    space = values["SPACE"]
    assert isinstance(space, Space)
    assert space.size > 1e6


def test_every_token_and_space_is_documented() -> None:
    models = (ROOT / "docs" / "models.md").read_text()
    assert [token for token in tokens() if f"`{token}`" not in models] == []
    spaces = (ROOT / "docs" / "spaces.md").read_text()
    assert [name for name in space_files() if f"`{name}`" not in spaces] == []


def test_every_family_has_a_listed_model_in_the_documents() -> None:
    models = (ROOT / "docs" / "models.md").read_text()
    stems = {re.split(r"\d|_tv|_small", name)[0] for name in list_models() if name[:3] != "se_"}
    assert [stem for stem in stems if stem not in models] == []


def test_the_readmes_commands_name_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"runners/\w+\.py", text)
    assert commands
    assert all((ROOT / command).is_file() for command in commands)
    assert "--space digits_se" in text
