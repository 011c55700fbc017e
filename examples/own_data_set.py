"""Search on a data set of your own: any map-style torch.utils.data.Dataset of (image, label).

Here: discs, squares and crosses in images of five channels, with an augmentation of its own.
"""

import torch
from torch.utils.data import Dataset
from torchvision.transforms import v2

import se_nas
from se_nas import SE, Space, choice, optional, per_stage, trunk
from se_nas.data import from_datasets

SPACE = Space(
    "shapes",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4), squeeze=choice("avg", "max")))),
)


class Shapes(Dataset):
    """Images float32 (5, 16, 16): a shape in one of the channels, and noise in all of them."""

    classes = ("disc", "square", "cross")

    def __init__(self, count: int, seed: int, transform=None) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.images = 0.3 * torch.randn(count, 5, 16, 16, generator=draw)
        self.targets = (torch.arange(count) % 3).tolist()
        channels = torch.randint(5, (count,), generator=draw).tolist()
        y, x = torch.meshgrid(torch.arange(16) - 8, torch.arange(16) - 8, indexing="ij")
        shapes = [x**2 + y**2 < 25, (x.abs() < 5) & (y.abs() < 5), (x.abs() < 2) | (y.abs() < 2)]
        for image, label, channel in zip(self.images, self.targets, channels, strict=True):
            image[channel] += shapes[label]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int):
        image = self.images[index]
        return (image if self.transform is None else self.transform(image)), self.targets[index]


if __name__ == "__main__":
    flips = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()])
    data = from_datasets(
        Shapes(450, seed=0, transform=flips),
        val=Shapes(150, seed=1),
        test=Shapes(150, seed=2),
        name="shapes",
    )
    result = se_nas.run_search(
        SPACE,
        data,
        trials=2,
        epochs=4,
        batch_size=32,
        top=1,
        final_seeds=1,
        gpus=0,
        dashboard=False,
    )
    print(f"{result.winner}: test accuracy {result.finals[0].test_mean:.3f}")
    logits = result.model()(Shapes(1, seed=3)[0][0][None])
    print("it says", data.classes[int(logits.argmax())])
