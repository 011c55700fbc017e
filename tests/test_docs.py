"""What the documents say is so: links, names, spaces, commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import se_nas
from se_nas import Architecture, Space, list_models
from se_nas.cli import COMMANDS, main, make_program
from se_nas.data import DATASETS
from se_nas.se import tokens
from se_nas.space.space_files import space_files

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_names_in_the_documents_are_names() -> None:
    text = "".join((ROOT / page).read_text() for page in ("README.md", "docs/deployment.md"))
    found = set(re.findall(r"[\"`](se_[a-z0-9]+_[A-Za-z0-9_.-]+|resnet50(?:_tv)?)[\"`]", text))
    found = {name for name in found if not name.endswith(".safetensors") and "se_nas" not in name}
    assert len(found) >= 2
    for name in found:
        assert str(Architecture.parse(name)) == name


def test_the_readme_is_one_screen_and_names_every_data_set() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 70
    assert [name for name in DATASETS if f"`{name}`" not in text] == []


def test_the_space_of_the_documents_is_a_space() -> None:
    text = (ROOT / "docs" / "spaces.md").read_text()
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


def test_the_messages_of_the_troubleshooting_page_are_there() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    source = "".join(path.read_text() for path in sorted((ROOT / "se_nas").rglob("*.py")))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # a text that is written in several lines
    cells = re.findall(r"^\| ([^|]*`[^|]*`[^|]*) \|", page, re.M)
    pieces = [piece for cell in cells for piece in re.findall(r"`([^`]+)`", cell)]
    assert len(pieces) > 25
    assert [piece for piece in pieces if piece not in source] == []


def test_everything_public_has_a_page_of_its_own_in_the_reference() -> None:
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "api").glob("*.md"))
    # The quantities of constraints are of one module, which is there whole.
    quantities = {"params", "macs", "peak_activations", "latency_ms", "maximize", "minimize"}
    public = {name for name in dir(se_nas) if getattr(se_nas, name, None) is not None}
    public &= set(se_nas.__all__) - {"__version__"}
    missing = [n for n in sorted(public - quantities) if not re.search(rf"\.{n}$", pages, re.M)]
    assert missing == []


def commands() -> list[tuple[str, list[str]]]:
    """Every command line of ours in a shell block of the documents: (page, words)."""
    runners = {f"runners/{name}.py": name for name in COMMANDS}
    found: list[tuple[str, list[str]]] = []
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                for i, word in enumerate(words):
                    name = next((n for end, n in runners.items() if word.endswith(end)), None)
                    if word != "se-nas" and name is None:
                        continue
                    own = [name, *words[i + 1 :]] if name else words[i + 1 :]
                    ends = [n for n, each in enumerate(own) if each in ("|", "&&", "&", ">", ";")]
                    found.append((page.name, own[: min(ends, default=len(own))]))
    return found


def test_every_command_and_option_of_the_documents_exists() -> None:
    programs = {name: make_program(name) for name in COMMANDS}
    lines = commands()
    assert len(lines) > 45
    for page, words in lines:
        if words[0].startswith("--"):  # of se-nas itself
            assert words[0] in ("--install-completion", "--help", "--version"), (page, words)
            continue
        assert words[0] in programs, (page, words)
        options = {o for p in programs[words[0]].params for o in (*p.opts, *p.secondary_opts)}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= options, (page, words)


def test_every_option_that_the_text_names_exists() -> None:
    ours = {
        option
        for name in COMMANDS
        for each in make_program(name).params
        for option in (*each.opts, *each.secondary_opts)
    }
    others = {"--help", "--version", "--install-completion", "--logdir", "--num-gpus", "--shm-size"}
    for file in (ROOT / "benchmarks").glob("*.py"):
        others |= set(re.findall(r'"(--[a-z-]+)"', file.read_text()))
    for page in PAGES:
        if page.parent.name in ("decisions", "paper") or page.name == "CHANGELOG.md":
            continue  # they tell of what was
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for option in re.findall(r"`(--[a-z][a-z-]+)", text):
            assert option in ours | others, (page.name, option)


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(tmp_path / "site")],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "site" / "index.html").read_text()
    for page in ("photos", "report", "deployment", "troubleshooting", "comparison", "api/search"):
        assert f'href="{page}.html"' in home
    assert "Search Page" not in home  # Sphinx's own, which a page of that name would be taken for
    assert 'href="searching.html"' in home
    assert "se_nas.run_search" in (tmp_path / "site" / "api" / "search.html").read_text()


def test_the_searches_of_photos_can_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, count in (("train", 6), ("test", 2)):
        for name in ("cat", "dog"):
            folder = tmp_path / "photos" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (80, 60), (40 * number, 9, 9)).save(folder / f"{number}.jpg")
    monkeypatch.chdir(tmp_path)
    pages = ("README.md", "photos.md")
    lines = [words for page, words in commands() if page in pages and "--data" in words]
    searches = [words for words in lines if words[0] == "search"]
    assert len(searches) >= 4
    main_ends(["new", "space", "my_space.py"])
    for words in searches:
        if "--dry-run" in words:
            main_ends(words)
        elif "--address" not in words:
            main_ends([*words, "--dry-run"])
    assert "feasible" in capsys.readouterr().out


def main_ends(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 0, words
