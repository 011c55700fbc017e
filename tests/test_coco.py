"""Detectors on small data of COCO's form: read, trained, judged."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from se_nas import InputError
from se_nas.cli import main
from se_nas.coco import FIGURES, TWICE, average_precision, coco, train
from se_nas.detection import faster_rcnn

BOX = [10, 12, 40, 30]  # x, y, width, height


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Four pictures of different sizes, three of them with a bright rectangle, as COCO has them."""
    root = tmp_path_factory.mktemp("coco")
    (root / "train").mkdir()
    images, annotations = [], []
    for i in range(4):
        pixels = np.full((70 + i, 90, 3), 30, np.uint8)
        if i < 3:
            x, y, width, height = BOX
            pixels[y : y + height, x : x + width] = 220
            annotations.append(
                {"id": i + 1, "image_id": i, "category_id": 1 + i % 2, "bbox": BOX, "iscrowd": 0,
                 "area": width * height, "segmentation": [[x, y, x + width, y, x, y + height]]}
            )  # fmt: skip
        Image.fromarray(pixels).save(root / "train" / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "width": 90, "height": 70 + i})
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "instances.json").write_text(json.dumps(content))
    return root / "train", root / "instances.json"


class Knows(nn.Module):
    """A detector that finds every box, as far aside as it is told."""

    def __init__(self, aside: float, label: int | None = None) -> None:
        super().__init__()
        self.aside, self.label, self.seen = aside, label, 0

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        x, y, width, height = BOX
        box = torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32) + self.aside
        label = 1 + self.seen % 2 if self.label is None else self.label
        self.seen += 1
        score = 0.9 if self.seen < 4 else 0.1  # the last picture has none
        return [{"boxes": box, "labels": torch.tensor([label]), "scores": torch.tensor([score])}]


def test_a_detector_that_knows_has_the_highest_figures(files: tuple[Path, Path]) -> None:
    images = coco(*files)
    whole = average_precision(Knows(0), images, device="cpu")
    assert tuple(whole) == FIGURES
    assert whole["AP"] == whole["AP50"] == pytest.approx(1)
    assert whole["AP large"] == -1, "there is none"
    near = average_precision(Knows(3), images, device="cpu")
    assert near["AP50"] == pytest.approx(1)
    assert near["AP"] < 0.8
    assert average_precision(Knows(60), images, device="cpu")["AP"] == 0


def test_images_without_a_box_are_for_judging_only(files: tuple[Path, Path]) -> None:
    assert len(coco(*files)) == 4  # type: ignore[arg-type]
    assert len(coco(*files, augment=True)) == 3  # type: ignore[arg-type]


def test_a_mirrored_image_has_its_boxes_mirrored(files: tuple[Path, Path]) -> None:
    torch.manual_seed(0)
    images = coco(*files, augment=True)
    lefts = set()
    for _ in range(20):
        image, target = images[0]
        x1, y1, x2, y2 = target["boxes"][0].int().tolist()
        assert float(image[:, y1:y2, x1:x2].min()) > 0.8
        lefts.add(x1)
    assert lefts == {10, 90 - 10 - 40}


def test_a_few_steps_of_the_papers_schedule(files: tuple[Path, Path]) -> None:
    torch.manual_seed(0)
    recipe = TWICE.scaled(2)
    model = faster_rcnn("se_resnet18_r16", num_classes=3, min_size=64, max_size=96)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    steps = train(model, coco(*files, augment=True), recipe, device="cpu")
    told: list[dict[str, float]] = [next(steps) for _ in range(3)]
    assert {"loss_classifier", "loss_box_reg"} < set(told[0])
    assert all(np.isfinite([*losses.values()]).all() for losses in told)
    se = [key for key in before if ".se." in key]
    assert se
    assert any(not torch.equal(before[key], model.state_dict()[key]) for key in se)
    found = average_precision(model, coco(*files), device="cpu")
    assert all(-1 <= value <= 1 for value in found.values())


def test_a_training_ends_with_its_last_step_and_can_go_on(files: tuple[Path, Path]) -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, images: list[Tensor], targets: list[Any]) -> dict[str, Tensor]:
            return {"loss": self.weight * len(images)}

    recipe = replace(TWICE, batch_size=2, iterations=5)
    images = coco(*files, augment=True)
    assert len([*train(Counts(), images, recipe, device="cpu")]) == 5
    assert len([*train(Counts(), images, recipe, first=3, device="cpu")]) == 2


def test_bad_input_is_one_line(files: tuple[Path, Path], tmp_path: Path) -> None:
    folder, annotations = files
    with pytest.raises(InputError, match=r"folder '.*' is not there"):
        coco(tmp_path / "none", annotations)
    with pytest.raises(InputError, match=r"annotations '.*' is not there"):
        coco(folder, tmp_path / "none.json")
    (tmp_path / "a.json").write_text("[")
    with pytest.raises(InputError, match="cannot be read"):
        coco(folder, tmp_path / "a.json")
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(InputError, match="cannot be read"):
        coco(folder, tmp_path / "b.json")
    content = json.loads(annotations.read_text())
    content["annotations"][0]["id"] = 0
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="has the id 0"):
        coco(folder, tmp_path / "c.json")
    with pytest.raises(InputError, match="batch_size"):
        TWICE.scaled(0)


def test_the_command_trains_goes_on_and_tells_the_precision(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, annotations = files
    (tmp_path / "annotations").mkdir()
    for part in ("train", "val"):
        (tmp_path / f"{part}2017").symlink_to(folder)
        (tmp_path / "annotations" / f"instances_{part}2017.json").symlink_to(annotations)
    base = ["detect", "se_resnet18_r16", "--data-dir", str(tmp_path), "--batch-size", "2"]
    base += ["--workers", "0", "--min-size", "64", "--every", "2", "--out", str(tmp_path / "d.pt")]

    def told(*more: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as end:
            main([*base, *more])
        said = capsys.readouterr()
        assert end.value.code == code, said.err
        return said.err if code else said.out

    said = told("--iterations", "3")
    assert "3 images, 2 in a step, steps 0 to 3" in said
    assert "step 3/3  loss " in said
    assert "AP50" in said
    assert torch.load(tmp_path / "d.pt", weights_only=True)["step"] == 3
    assert "go on with --resume" in told("--iterations", "3", code=2)
    assert "steps 3 to 5" in told("--iterations", "5", "--resume")
    (tmp_path / "d.pt").unlink()
    assert "nothing to go on with" in told("--resume", code=2)
    torch.save({"step": 1}, tmp_path / "d.pt")
    assert "is no checkpoint of this detector" in told("--resume", code=2)


def test_the_order_goes_on_where_it_was(files: tuple[Path, Path]) -> None:
    seen: list[Any] = []

    class Looks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, images: list[Tensor], targets: list[Any]) -> dict[str, Tensor]:
            seen.append([image.shape[1] for image in images])
            return {"loss": self.weight * 1}

    recipe = replace(TWICE, batch_size=1, iterations=7)
    images = coco(*files, augment=True)
    [*train(Looks(), images, recipe, device="cpu")]
    whole, seen[:] = list(seen), []
    [*train(Looks(), images, replace(recipe, iterations=4), device="cpu")]
    [*train(Looks(), images, recipe, first=4, device="cpu")]
    assert seen == whole
    assert sorted(whole[:3]) == sorted(whole[3:6]) == [[70], [71], [72]]


def test_a_signal_ends_it_in_a_line(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder, annotations = files
    (tmp_path / "annotations").mkdir()
    for part in ("train", "val"):
        (tmp_path / f"{part}2017").symlink_to(folder)
        (tmp_path / "annotations" / f"instances_{part}2017.json").symlink_to(annotations)

    def losses(*_: Any, **__: Any) -> Any:
        yield {"loss": 1.0}
        yield {"loss": 1.0}
        os.kill(os.getpid(), signal.SIGTERM)
        yield {"loss": 1.0}

    monkeypatch.setattr("se_nas.coco.train", losses)
    arguments = ["detect", "se_resnet18_r16", "--data-dir", str(tmp_path), "--every", "2"]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--out", str(tmp_path / "d.pt")])
    assert end.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "interrupted: go on with --resume from step 2\n"
