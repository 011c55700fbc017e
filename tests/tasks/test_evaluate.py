"""Trained networks on data sets and on pictures, from Python and the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_data import write_folder
from PIL import Image
from torchvision.transforms import v2

import se_nas
from se_nas import InputError
from se_nas.cli import main
from se_nas.data import Data, load
from se_nas.data_settings import DataSettings
from se_nas.tasks.card import Card
from se_nas.tasks.confusion import confusion_page
from se_nas.tasks.evaluate import evaluate, predict, probabilities
from se_nas.tasks.metrics import evaluation
from se_nas.tasks.train import train
from se_nas.tasks.train_config import TrainConfig
from se_nas.tasks.trained import trained
from se_nas.tasks.views import Views

MODEL = "se_resnet8_small_r8"


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits", limit_train=600)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    settings = DataSettings(limit_train=600)
    train(TrainConfig(MODEL, settings, epochs=3, seeds=2, threads=1, device="cpu"), folder)
    return folder


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def test_the_folder_of_a_training_gives_the_number_of_its_card(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    code, said, _ = command(capsys, "evaluate", str(run), "--out", str(out))
    assert code == 0
    assert "the same as its folder says" in said
    told = json.loads(out.read_text())
    assert 1 - told["top1_error"] == pytest.approx(Card.read(run).runs[0].test_acc)
    assert sum(map(sum, told["confusion"])) == 360


def test_a_number_that_is_not_so_is_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = Card.read(run)
    other = (replace(card.runs[0], test_acc=0.5), card.runs[1])
    (tmp_path / "seed-0.safetensors").write_bytes((run / "seed-0.safetensors").read_bytes())
    replace(card, runs=other).write(tmp_path)
    code, said, _ = command(capsys, "evaluate", str(tmp_path))
    assert code == 1
    assert "not the same: its folder says 50.0000 % right" in said


def test_several_networks_are_asked_together(run: Path, digits: Data) -> None:
    models = [se_nas.load(run / f"seed-{seed}.safetensors") for seed in (0, 1)]
    one, two = (evaluate([model], digits, device="cpu") for model in models)
    both = evaluate(models, digits, device="cpu")
    assert both.loss < max(one.loss, two.loss)
    assert evaluate([models[0]] * 2, digits, device="cpu") == one
    mirrored = evaluate(models, digits, device="cpu", flip=True)
    assert mirrored.loss != both.loss
    assert evaluate(models, digits, part="val", device="cpu").images == len(digits.val)


def test_images_are_normalised_as_the_network_knows_them(run: Path, digits: Data) -> None:
    model = se_nas.load(run / "seed-0.safetensors")
    other = load("digits", limit_train=60, seed=3)
    assert other.statistics != digits.statistics
    assert evaluate([model], other, device="cpu") == evaluate([model], digits, device="cpu")


def test_what_does_not_fit_is_one_line(run: Path, digits: Data) -> None:
    with pytest.raises(InputError, match="has 7 classes, the data set digits has 10"):
        evaluate([se_nas.materialize(MODEL, num_classes=7, in_channels=1)], digits)
    with pytest.raises(InputError, match="has 3 channels, the data set digits has 1"):
        evaluate([se_nas.materialize(MODEL, num_classes=10)], digits)
    model = se_nas.load(run / "seed-0.safetensors")
    names = tuple("abcdefghij")
    model.preprocessing = replace(model.preprocessing, classes=names)
    with pytest.raises(InputError, match="class 0 is 'a' for"):
        evaluate([model], replace(digits, classes=tuple("bacdefghij")))


def test_pictures_get_their_likeliest_classes(
    run: Path, digits: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = digits.test.images_nchw[:3, 0].numpy()  # type: ignore[union-attr]
    paths = []
    for number, each in enumerate(pixels):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(np.asarray(each, np.uint8)).save(paths[-1])
    model = trained(str(run)).model
    assert [len(found) for found in predict(model, paths, top=2)] == [2, 2, 2]
    code, said, _ = command(capsys, "predict", str(run), *paths, "--top", "1")
    assert (code, said.count("%"), said.count("\n")) == (0, 3, 3)
    (tmp_path / "no.png").write_text("no picture")
    code, _, err = command(capsys, "predict", str(run), str(tmp_path / "no.png"))
    assert (code, err.count("\n")) == (2, 1)
    assert "no.png" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "there is no file"),
        (["."], "is no folder of a training or of a search"),
        (["{file}"], "--data is missing"),
        (["{file}", "--data", "digitz"], "did you mean 'digits'"),
        (["{run}", "--part", "tset"], "did you mean 'test'"),
        (["{run}", "--out", "no/such/folder/f.json"], "cannot be written"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    said: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [a.format(run=run, file=run / "seed-0.safetensors") for a in arguments]
    code, _, err = command(capsys, "evaluate", *given)
    assert (code, err.count("\n")) == (2, 1), err
    assert said in err


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("pictures"), each=8)


def network(classes: int = 2) -> se_nas.Model:
    torch.manual_seed(0)
    model = se_nas.materialize(MODEL, num_classes=classes)
    torch.nn.init.normal_(model.fc.weight)  # type: ignore[union-attr,arg-type]
    return model


def test_ten_crops_of_several_sizes_are_averaged(pictures: Path) -> None:
    model, data = network(), load("imagefolder", pictures, image_size=16, val_images=4)
    one = evaluate([model], data, device="cpu")
    assert evaluate([model], data, device="cpu", views=Views(1, (18,))) == one, "16 × 256 / 224"
    views = Views(10, (18, 24))
    found, labels = [], []
    for seen in views.of(data.test.prepared(data.statistics, augment=False)):  # type: ignore[union-attr]
        shares, labels_ = probabilities(model, seen, flip=False, device="cpu")
        found.append(shares)
        labels.append(labels_)
    assert (labels[0] == labels[1]).all()
    mean = evaluate([model], data, device="cpu", views=views)
    assert mean.loss == evaluation(np.mean(found, axis=0), labels[0]).loss
    # By hand: the centre and the corners of each picture, and their mirrors.
    picture = Image.open(sorted((pictures / "test" / "cat").iterdir())[0]).convert("RGB")
    small = v2.functional.pil_to_tensor(picture.resize((24, 24), Image.Resampling.BILINEAR))
    places = [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)]
    crops = [small[:, y : y + 16, x : x + 16] for y, x in places]
    batch = torch.stack([*crops, *(crop.flip(2) for crop in crops)]) / 255
    mean_, std = (torch.tensor(v)[:, None, None] for v in data.statistics)
    with torch.inference_mode():
        wanted = model.eval()((batch - mean_) / std).softmax(1).mean(0)
    assert torch.from_numpy(found[1][0]).float().allclose(wanted, atol=1e-3)


def test_views_that_cannot_be(pictures: Path, digits: Data) -> None:
    data = load("imagefolder", pictures, image_size=16, val_images=4)
    for views, message in (
        (lambda: Views(5), "crops is 5; allowed: 1, 10"),
        (lambda: Views(1, (0,)), "resize"),
        (lambda: evaluate([network()], data, views=Views(1, (12,))), "shorter than the crop"),
        (lambda: evaluate([se_nas.materialize(MODEL, num_classes=10, in_channels=1)], digits,
                          views=Views(10)), "are for pictures in files"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            views()


def test_a_confusion_matrix_is_a_page(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "confusion.html"
    code, _, _ = command(capsys, "evaluate", str(run), "--out", str(out))
    assert code == 0
    assert "true class" in out.read_text()
    code, _, errors = command(capsys, "evaluate", str(run), "--out", "a.png")
    assert (code, "unknown format of --out '.png'" in errors) == (2, True)
    found = evaluation(np.eye(2), np.array([0, 1]), ("<b>", "a & b"))
    page = confusion_page(found, "<script>")
    assert "<script>:" not in page
    assert "&lt;b&gt;" in page or "\\u0026lt;b\\u0026gt;" in page
