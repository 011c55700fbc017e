"""Faster R-CNN on COCO: its images, Detectron's 2× schedule of the paper, average precision.

    model = faster_rcnn("se_resnet50_r16", weights="senet.pth", frozen=True)
    for step in train(model, coco("train2017", "instances_train2017.json", augment=True)):
        ...                                      # save model.state_dict() now and then
    average_precision(model, coco("val2017", "instances_val2017.json"))["AP"]

Not run on COCO itself, nor on a GPU: on small data of its form.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2
from torchvision.transforms import v2

from se_nas.errors import InputError
from se_nas.training.evaluation import default_device
from se_nas.values import whole

FIGURES = ("AP", "AP50", "AP75", "AP small", "AP medium", "AP large")


@dataclass(frozen=True)
class DetectionRecipe:
    """Detectron's 2× schedule, by which the paper trained its detectors (section 6.3, Table 7).

    Images with a shorter side of 800 px, at most 1333, mirrored at random, are Faster R-CNN's own.

    Attributes:
        learning_rate: the highest, after a linear rise from ``warmup_from`` of it.
        iterations, drops, warmup: in steps; at each of ``drops`` the rate is divided by ten.
    """

    batch_size: int = 16
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 1e-4
    iterations: int = 180_000
    drops: tuple[int, ...] = (120_000, 160_000)
    warmup: int = 500
    warmup_from: float = 1 / 3

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, from 0.

        >>> recipe = DetectionRecipe()
        >>> [f"{recipe.rate(step):.5f}" for step in (0, 250, 500, 120_000, 160_000)]
        ['0.00667', '0.01333', '0.02000', '0.00200', '0.00020']
        """
        rising = 1.0
        if step < self.warmup:
            rising = self.warmup_from + (1 - self.warmup_from) * step / self.warmup
        return float(self.learning_rate * rising * 0.1 ** sum(step >= drop for drop in self.drops))

    def scaled(self, batch_size: int) -> DetectionRecipe:
        """Return it for other batches: the rate in proportion, the steps inversely.

        >>> DetectionRecipe().scaled(2).iterations, DetectionRecipe().scaled(2).learning_rate
        (1440000, 0.0025)
        """
        share = whole("batch_size", batch_size, 1) / self.batch_size
        return replace(
            self,
            batch_size=batch_size,
            learning_rate=self.learning_rate * share,
            iterations=round(self.iterations / share),
            drops=tuple(round(drop / share) for drop in self.drops),
            warmup=round(self.warmup / share),
        )


TWICE = DetectionRecipe()


def coco(folder: str | Path, annotations: str | Path, *, augment: bool = False) -> Dataset[Any]:
    """Return COCO's images and boxes, by torchvision's reader.

    Args:
        folder: of the pictures, ``train2017``.
        annotations: the JSON file, ``annotations/instances_train2017.json``.
        augment: mirror half of the images, and leave out those without a box, as for training.

    Raises:
        InputError: there is no such folder or file, or pycocotools is not installed.
    """
    for what, path, there in (
        ("folder", folder, os.path.isdir(folder)),
        ("annotations", annotations, os.path.isfile(annotations)),
    ):
        if not there:
            raise InputError(f"{what} {str(path)!r} is not there; give COCO's, as unpacked")
    flip = [v2.RandomHorizontalFlip()] * augment
    steps = v2.Compose([v2.ToImage(), *flip, v2.ToDtype(torch.float32, scale=True)])
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools says how long it took
            read = CocoDetection(str(folder), str(annotations), transforms=steps)
    except ImportError:
        raise InputError("COCO needs a package: pip install 'se-nas[coco]'") from None
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise InputError(f"annotations {str(annotations)!r} cannot be read: {error}") from None
    if 0 in read.coco.anns:
        raise InputError(
            f"annotations {str(annotations)!r}: a box has the id 0, which pycocotools takes for "
            "none, so that it never counts as found; give ids from 1"
        )
    images = wrap_dataset_for_transforms_v2(read, target_keys=("image_id", "boxes", "labels"))
    if not augment:
        return images  # type: ignore[no-any-return]
    boxes = [read.coco.imgToAnns[key] for key in read.ids]
    fine = [i for i, own in enumerate(boxes) if any(min(box["bbox"][2:]) > 1 for box in own)]
    return Subset(images, fine)


def train(
    detector: nn.Module,
    images: Dataset[Any],
    recipe: DetectionRecipe = TWICE,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    seed: int = 0,
    first: int = 0,
    workers: int = 0,
    device: torch.device | str | None = None,
) -> Iterator[dict[str, float]]:
    """Train a detector; yield the losses of each step after it.

    Args:
        optimizer: of ``sgd``, where its state is to be kept; made if not given.
        first: the step to go on from, with weights of before it: the order of the images goes on
            where it was, what is mirrored is drawn anew.
        workers: processes that decode.
    """
    device = default_device() if device is None else torch.device(device)
    detector.to(device).train()
    optimizer = sgd(detector, recipe) if optimizer is None else optimizer
    count = len(images)  # type: ignore[arg-type]
    steps = -(-count // recipe.batch_size)
    step = first
    while step < recipe.iterations:
        epoch, done = divmod(step, steps)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed + epoch))
        loader = DataLoader(
            images,
            recipe.batch_size,
            sampler=order[done * recipe.batch_size :].tolist(),
            num_workers=workers,
            collate_fn=_apart,
        )
        for batch, targets in loader:
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(step)
            wanted = [{k: t[k].to(device) for k in ("boxes", "labels")} for t in targets]
            losses = detector([image.to(device) for image in batch], wanted)
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
            step += 1
            yield {name: float(loss.detach()) for name, loss in losses.items()}
            if step == recipe.iterations:
                return


def sgd(detector: nn.Module, recipe: DetectionRecipe = TWICE) -> torch.optim.SGD:
    """Return the recipe's optimizer of what is to be trained."""
    parameters = [p for p in detector.parameters() if p.requires_grad]
    return torch.optim.SGD(
        parameters, recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay
    )


@torch.inference_mode()
def average_precision(
    detector: nn.Module, images: Dataset[Any], *, device: torch.device | str | None = None
) -> dict[str, float]:
    """Return COCO's figures for boxes by pycocotools, in [0, 1]; -1 where nothing is of a size.

    Args:
        images: of ``coco``, not augmented.
    """
    from pycocotools.cocoeval import COCOeval

    device = default_device() if device is None else torch.device(device)
    detector.to(device).eval()
    found: list[dict[str, Any]] = []
    for image, target in DataLoader(images, batch_size=None, collate_fn=None):
        [told] = detector([image.to(device)])
        for (x1, y1, x2, y2), label, score in zip(
            told["boxes"].tolist(), told["labels"].tolist(), told["scores"].tolist(), strict=True
        ):
            box = [x1, y1, x2 - x1, y2 - y1]
            where = {"image_id": int(target["image_id"]), "category_id": label}
            found.append({**where, "bbox": box, "score": score})
    if not found:
        return dict.fromkeys(FIGURES, 0.0)
    truth = images.coco  # type: ignore[attr-defined]
    with contextlib.redirect_stdout(io.StringIO()):
        judged = COCOeval(truth, truth.loadRes(found), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return dict(zip(FIGURES, map(float, judged.stats), strict=False))


def _apart(batch: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """Return images and targets as lists: they have many sizes."""
    return [image for image, _ in batch], [target for _, target in batch]
