"""Files of models: what they say of their pictures, and what ``load`` says of other files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import se_nas
from se_nas import InputError, materialize, save
from se_nas.data import Preprocessing
from se_nas.models import export
from se_nas.models.saving import Description

NAME = "se_resnet8_small-width8_r4"
TOLD = Preprocessing(
    image_size=24,
    channels=3,
    crop="center",
    resize=27,
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.2, 0.2),
    classes=("cat", "dog", "[red]"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    model = materialize(NAME, num_classes=3).eval()
    file = tmp_path / "model.safetensors"
    se_nas.save(model, file, TOLD)
    return file


def test_a_file_says_how_pictures_become_inputs(path: Path, tmp_path: Path) -> None:
    model = se_nas.load(path)
    assert model.preprocessing == TOLD
    assert materialize(NAME, num_classes=3, weights=path).preprocessing == TOLD
    again = tmp_path / "again.safetensors"
    se_nas.save(model, again)
    assert se_nas.load(again).preprocessing == TOLD


def test_a_file_without_it_loads_as_before(tmp_path: Path) -> None:
    file = tmp_path / "old.safetensors"
    se_nas.save(materialize(NAME, num_classes=3), file)
    assert se_nas.load(file).preprocessing is None


def test_another_head_or_stem_takes_what_still_fits(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.safetensors"
    model = se_nas.load(path)
    model.fc = torch.nn.Linear(32, 5)
    se_nas.save(model, file)
    found = se_nas.load(file).preprocessing
    assert (found.image_size, found.classes) == (24, ())
    model = se_nas.load(path)
    model.reset_classifier(3)
    assert model.preprocessing.classes == (), "the new classes are others"
    assert materialize(NAME, num_classes=7, weights=path, new_head=True).preprocessing.classes == ()
    model.conv1 = torch.nn.Conv2d(1, 8, 3, 1, 1, bias=False)
    se_nas.save(model, file)
    assert se_nas.load(file).preprocessing is None, "it was of colours"
    with pytest.raises(InputError, match="preprocessing has 3 channels, the model 1"):
        se_nas.save(model, file, TOLD)
    with pytest.raises(InputError, match="preprocessing has 3 classes, the model 5"):
        se_nas.save(materialize(NAME, num_classes=5), file, TOLD)


def test_onnx_files_have_the_size_and_the_words_of_the_file(path: Path, tmp_path: Path) -> None:
    import onnx

    model = se_nas.load(path)
    out = tmp_path / "model.onnx"
    for given, size in ((None, 24), (40, 40)):
        export.export_onnx(se_nas.optimize_for_inference(model), out, given)
        found = onnx.load(out)
        props = {each.key: each.value for each in found.metadata_props}
        assert Preprocessing.from_json(props["preprocessing"]) == TOLD.at(size)
        assert json.loads(props["architecture"])["name"] == NAME
        shape = found.graph.input[0].type.tensor_type.shape.dim
        assert [each.dim_value for each in shape][1:] == [3, size, size]


def test_programs_have_the_size_and_the_words_of_the_file(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.pt2"
    export.export_program(se_nas.load(path), out)
    extra = {"preprocessing.json": ""}
    program: Any = torch.export.load(out, extra_files=extra).module()
    assert Preprocessing.from_json(extra["preprocessing.json"]) == TOLD
    with torch.no_grad():
        assert program(torch.zeros(5, 3, 24, 24)).shape == (5, 3)


def test_a_failed_export_leaves_the_good_file(tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    out.write_bytes(b"the good one")
    model = materialize(NAME, num_classes=3).eval()
    with torch.no_grad():
        model.get_classifier().weight.fill_(float("nan"))
    with pytest.raises(InputError, match="outputs are not finite") as error:
        export.export_onnx(model, out)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"are bfloat16: export model.float\(\)"):
        export.export_onnx(model.to(torch.bfloat16), out)
    assert out.read_bytes() == b"the good one"
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_an_onnx_file_that_would_be_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="an ONNX file holds 2 GB at most"):
        export.export_onnx(materialize(NAME, num_classes=3), tmp_path / "model.onnx")


def test_a_file_that_is_cut_is_refused_in_one_line(path: Path, tmp_path: Path) -> None:
    content, cut = path.read_bytes(), tmp_path / "cut.safetensors"
    for tenth in range(10):
        cut.write_bytes(content[: len(content) * tenth // 10])
        with pytest.raises(InputError) as error:
            se_nas.load(cut)
        assert "\n" not in str(error.value)
        assert "cut.safetensors" in str(error.value)


WRONG: dict[str, dict[str, str]] = {
    "nothing": {},
    "a name": {"architecture": "resnet50"},
    "no JSON": {"architecture": "{"},
    "other JSON": {"architecture": "{}"},
    "a list": {"architecture": '{"trunk": [], "se": 3}'},
    "deep": {"architecture": '{"a":' * 50_000},
    "no classes": {"num_classes": "0"},
    "many classes": {"num_classes": "9" * 30},
    "negative": {"num_classes": "-3"},
    "others": {"num_classes": "4"},
    "channels": {"in_channels": "5"},
    "a word": {"in_channels": "three"},
    "preprocessing": {"preprocessing": "{}"},
    "preprocessing too": {"preprocessing": '{"image_size": -1, "channels": 3}'},
}


@pytest.mark.parametrize("words", WRONG.values(), ids=list(WRONG))
def test_wrong_metadata_is_refused_in_one_line(tmp_path: Path, words: dict[str, str]) -> None:
    model = materialize(NAME, num_classes=3)
    right = Description(model.architecture, 3, 3).metadata()
    file = tmp_path / "wrong.safetensors"
    save_file(model.state_dict(), file, right | words if words else None)
    with pytest.raises(InputError) as error:
        se_nas.load(file)
    assert "\n" not in str(error.value)
    assert "wrong.safetensors" in str(error.value)


def test_the_advice_is_a_call_that_works(tmp_path: Path) -> None:
    model = materialize(NAME, num_classes=7, in_channels=1)
    file = tmp_path / "m.safetensors"
    save_file(model.state_dict(), file, Description(model.architecture, 3, 3).metadata())
    with pytest.raises(InputError) as error:
        se_nas.load(file)
    call = str(error.value).partition("se_nas.materialize")[2].removesuffix(" reads them")
    again = eval(f"se_nas.materialize{call}")
    assert torch.equal(again.get_classifier().weight, model.get_classifier().weight)


def test_a_name_that_load_would_refuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not UTF-8"):
        save(materialize("resnet8_small"), tmp_path / "a\udcff.safetensors")
    assert not list(tmp_path.iterdir())


def test_other_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; give the file in it"):
        se_nas.load(tmp_path)
    pickled = tmp_path / "model.pt"
    torch.save(materialize(NAME), pickled)
    with pytest.raises(InputError, match="no safetensors file"):
        se_nas.load(pickled)
    with pytest.raises(InputError, match="give the path of a file"):
        se_nas.save(materialize(NAME), "a\0b")
    with pytest.raises(InputError, match=r"is a folder|Is a directory"):
        se_nas.save(materialize(NAME), tmp_path)
