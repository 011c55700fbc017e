"""Evaluation of trained networks, one or several together, on a data set or on pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from se_nas.data import Data, FolderImages, Images, eval_loader
from se_nas.data.images import Statistics
from se_nas.errors import InputError
from se_nas.nn.model import Model
from se_nas.tasks.metrics import Evaluation, Floats, Labels, evaluation
from se_nas.tasks.views import ONE, Views
from se_nas.training.evaluation import default_device, to_device

PARTS = ("test", "val", "train")
BATCH = 128


def evaluate(
    models: Sequence[Model],
    data: Data,
    *,
    part: str = "test",
    flip: bool = False,
    views: Views = ONE,
    device: torch.device | str | None = None,
) -> Evaluation:
    """Evaluate networks on a part of a data set; of several the mean of their probabilities counts.

    Images are normalised as each network had them in its training, where it says so.

    Args:
        models: networks of ``load`` or ``materialize``.
        part: ``test``, ``val``, or ``train`` without augmentation.
        flip: show each image a second time, mirrored, and take the mean.
        views: of each picture, whose mean counts: crops and sizes.

    Raises:
        InputError: a network has other classes or channels than the data, or views are asked of
            images that are no pictures in files.
    """
    device = default_device() if device is None else torch.device(device)
    for model in models:
        check_fits(model, data)
    told = [
        probabilities(model, seen, flip=flip, device=device)
        for model in models
        for seen in views.of(images_for(model, data, part))
    ]
    mean: Floats = np.mean([shares for shares, _ in told], axis=0)
    return evaluation(mean, told[0][1], data.classes)


def probabilities(
    model: Model, images: Images, *, flip: bool, device: torch.device | str
) -> tuple[Floats, Labels]:
    """Return probabilities [images, classes] and labels [images], in float32 and eval mode."""
    was_training = model.training
    model.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    shares, labels = [], []
    with torch.inference_mode():
        several = images.views if isinstance(images, FolderImages) else 1
        for batch, own in eval_loader(images, max(1, BATCH // several), device=device):
            found = torch.zeros(())
            seen = [batch] if batch.ndim == 4 else batch.unbind(1)  # the crops of each image
            for one in [*seen, *(x.flip(3) for x in seen if flip)]:
                x_nchw, _ = to_device(one, own, torch.device(device))
                found = found + _softmax(model(x_nchw)).cpu()
            shares.append(found / (len(seen) * (1 + flip)))
            labels.append(own)
    model.train(was_training)
    if not shares:
        raise InputError("there are no images to evaluate on")
    return torch.cat(shares).numpy(), torch.cat(labels).numpy()


def predict(
    model: Model, pictures: Sequence[str | Path], top: int = 5
) -> Iterator[list[tuple[str, float]]]:
    """Yield for each picture its likeliest classes, each with its probability in [0, 1].

    Raises:
        InputError: the network does not say how a picture becomes its input, or one cannot be read.
    """
    told = model.preprocessing
    if told is None:
        raise InputError(
            "the file does not say how a picture becomes the network's input; those of a search "
            "and of `train` do, or give preprocessing to se_nas.save"
        )
    transform = told.transform()
    names = told.classes or tuple(map(str, range(model.num_classes)))
    model.eval()
    for path in pictures:
        try:
            x_nchw = transform(path)[None]
        except (OSError, ValueError) as error:
            raise InputError(f"picture {str(path)!r} cannot be read: {error}") from None
        with torch.inference_mode():
            shares = _softmax(model(x_nchw))[0]
        likeliest = shares.argsort(descending=True)[:top]
        yield [(names[i], float(shares[i])) for i in likeliest.tolist()]


def check_fits(model: Model, data: Data) -> None:
    """Raise an ``InputError`` where a network cannot be evaluated on a data set."""
    for what, has, wants in (
        ("classes", model.num_classes, data.num_classes),
        ("channels", model.in_channels, data.in_channels),
    ):
        if has != wants:
            raise InputError(
                f"{model.architecture} has {has} {what}, the data set {data.name} has {wants}"
            )
    told = model.preprocessing
    if told is not None and told.classes and data.classes and told.classes != data.classes:
        first = next(i for i, name in enumerate(told.classes) if name != data.classes[i])
        raise InputError(
            f"class {first} is {told.classes[first]!r} for {model.architecture}, and "
            f"{data.classes[first]!r} in the data set {data.name}"
        )


def images_for(model: Model, data: Data, part: str) -> Images:
    """Return a part of a data set, not augmented, normalised as a network had it in training."""
    images: Images = getattr(data, part)
    told = model.preprocessing
    if data.is_own or told is None or told.mean is None or told.std is None:
        statistics = data.statistics
    else:
        statistics = Statistics(told.mean, told.std)
    if data.is_own:
        return images
    return images.prepared(statistics, augment=False)  # type: ignore[union-attr]


def _softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits.double(), dim=1)
