"""Finding spaces by name or file, and the spaces that come with SE-NAS."""

from __future__ import annotations

from pathlib import Path

import pytest

from se_nas import Architecture, InputError, Space
from se_nas.cost.network_cost import cost
from se_nas.space.space_files import load_space, space_files
from se_nas.zoo.zoo import ABLATIONS

HEAD = "from se_nas import SE, Space, choice, per_stage\n"


def refused(name_or_path: str | Path) -> str:
    with pytest.raises(InputError) as error:
        load_space(str(name_or_path))
    assert "\n" not in str(error.value)
    return str(error.value)


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", space_files())
def test_shipped_space(name: str) -> None:
    path = space_files()[name]
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 45, "a space fits one screen"
    space = load_space(name)
    assert space.name == name
    assert load_space(str(path)) == space
    assert space.size > 1
    assert Space.from_json(space.to_json()) == space
    for seed in range(20):
        architecture = space.sample(seed)
        assert architecture in space
        values = vars(cost(architecture))
        assert len(space.violations(values)) == len(space.constraints)


@pytest.mark.parametrize("name", space_files())
def test_shipped_constraints_leave_something(name: str) -> None:
    space = load_space(name)
    architectures = [space.sample(seed) for seed in range(60)]
    violations = [space.violations(vars(cost(a))) for a in architectures]
    assert any(max(v.values(), default=0) <= 0 for v in violations)


def test_paper_ablations_are_the_zoos() -> None:
    names = [str(architecture) for architecture in load_space("paper_ablations")]
    assert sorted(names) == sorted([*ABLATIONS, "resnet50"])
    assert len({Architecture.parse(name).id for name in names}) == len(names)


def test_paper_ablations_hash_is_stable() -> None:
    # Published results name the space by it: change it only with the space.
    assert load_space("paper_ablations").hash == "496d48bb5450"


def test_own_file(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + 'mine = Space("mine", trunk="resnet18")\n')
    assert load_space(str(path)) == Space("mine", trunk="resnet18")


def test_several_spaces(tmp_path: Path) -> None:
    two = HEAD + 'a = Space("a", trunk="resnet18")\nb = Space("b", trunk="resnet34")\n'
    assert "has 2 spaces; define one and call it SPACE" in refused(written(tmp_path, two))
    path = written(tmp_path, two + "SPACE = b\n")
    assert load_space(str(path)).name == "b"


@pytest.mark.parametrize("text", ["", HEAD, "SPACE = 3\n"])
def test_no_space(tmp_path: Path, text: str) -> None:
    assert "has 0 spaces" in refused(written(tmp_path, text))


def test_misspelt_name_offers_the_nearest() -> None:
    text = refused("mobile_es")
    assert "did you mean 'mobile_se'?" in text
    assert "file.py" in text
    assert "unknown space ''" in refused("")


def test_no_such_file(tmp_path: Path) -> None:
    assert "there is no such file" in refused(tmp_path / "none.py")
    assert "there is no such file" in refused("none.py")
    assert "there is no such file" in refused(f"{tmp_path}/")


def test_syntax_error_has_its_line(tmp_path: Path) -> None:
    text = refused(written(tmp_path, HEAD + '\nSPACE = Space("mine"\n\n'))
    assert "mine.py', line 3: syntax error: '(' was never closed" in text


def test_error_in_the_file_has_its_line(tmp_path: Path) -> None:
    text = refused(written(tmp_path, HEAD + "\nwidth = 1 / 0\n"))
    assert "mine.py', line 3: ZeroDivisionError: division by zero" in text
    text = refused(written(tmp_path, HEAD + "import nothing_of_this_name\n"))
    assert "line 2: ModuleNotFoundError" in text


def test_error_of_several_lines_becomes_one(tmp_path: Path) -> None:
    assert "line 1: ValueError: one" in refused(
        written(tmp_path, "raise ValueError('one\\ntwo')\n")
    )
    assert "line 1: AssertionError" in refused(written(tmp_path, "assert False\n"))


def test_input_error_in_the_file_has_its_line(tmp_path: Path) -> None:
    text = refused(
        written(tmp_path, HEAD + 'SPACE = Space(\n    "mine",\n    trunk="resnet5",\n)\n')
    )
    assert "line 2" in text
    assert "did you mean 'resnet50'" in text


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\xfe\x00\x01")
    assert "mine.py" in refused(path)


def test_the_file_can_be_edited_and_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + 'SPACE = Space("a", trunk="resnet18")\n')
    assert load_space(str(path)).name == "a"
    written(tmp_path, HEAD + 'SPACE = Space("b", trunk="resnet18")\n')
    assert load_space(str(path)).name == "b"
