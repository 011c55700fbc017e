"""Training recipes that have names.

>>> RECIPES["search"].learning_rate
0.1
"""

from __future__ import annotations

from se_nas.training.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    "search": Recipe(batch_size=64),
    "retrain": Recipe(label_smoothing=0.1, warmup_epochs=2),
    "adamw": Recipe(optimizer="adamw", learning_rate=4e-3, weight_decay=0.05),
    "imagenet": Recipe(
        batch_size=256, weight_decay=1e-4, label_smoothing=0.1, warmup_epochs=5, se_init="standard"
    ),
    "senet": Recipe(
        learning_rate=0.6,
        batch_size=1024,
        nesterov=False,
        weight_decay=1e-4,
        warmup_epochs=0,
        schedule="steps",
        drops=(0.3, 0.6, 0.9),
        se_init="standard",
    ),
    "senet_ablation": Recipe(
        batch_size=256,
        nesterov=False,
        weight_decay=1e-4,
        label_smoothing=0.1,
        warmup_epochs=0,
        schedule="steps",
        drops=(125 / 270, 200 / 270, 250 / 270),
        se_init="standard",
    ),
    "cifar_resnet": Recipe(
        nesterov=False,
        weight_decay=1e-4,
        warmup_epochs=1,
        schedule="steps",
        drops=(81 / 164, 122 / 164),
        se_init="standard",
    ),
    "cifar_wrn": Recipe(
        warmup_epochs=0,
        schedule="steps",
        drops=(0.3, 0.6, 0.8),
        drop_factor=0.2,
        se_init="standard",
    ),
    "cifar_shake_shake": Recipe(
        learning_rate=0.2, weight_decay=1e-4, warmup_epochs=0, cutout=16, se_init="standard"
    ),
    "cifar_shake_even": Recipe(
        learning_rate=0.025, batch_size=32, warmup_epochs=0, cutout=8, se_init="standard"
    ),
    "mobile": Recipe(
        batch_size=256,
        nesterov=False,
        weight_decay=4e-5,
        warmup_epochs=0,
        schedule="plateau",
        se_init="standard",
    ),
    "modern": Recipe(
        optimizer="adamw",
        learning_rate=2e-3,
        weight_decay=0.05,
        label_smoothing=0.1,
        warmup_epochs=5,
        rand_augment=9,
        mixup=0.2,
        cutmix=1.0,
        erasing=0.1,
        ema=0.999,
    ),
    "rsb_a2": Recipe(
        optimizer="lamb",
        learning_rate=5e-3,
        batch_size=2048,
        weight_decay=0.02,
        loss="binary",
        warmup_epochs=5,
        rand_augment=7,
        mixup=0.1,
        cutmix=1.0,
        se_init="standard",
    ),
    "rsb_a3": Recipe(
        optimizer="lamb",
        learning_rate=8e-3,
        batch_size=2048,
        weight_decay=0.02,
        loss="binary",
        warmup_epochs=5,
        rand_augment=6,
        mixup=0.1,
        cutmix=1.0,
        se_init="standard",
    ),
    "senet154": Recipe(
        learning_rate=1.0,
        batch_size=2048,
        weight_decay=1e-4,
        label_smoothing=0.1,
        warmup_epochs=5,
        frozen_norm_epochs=3,
        se_init="standard",
    ),
}

# How long each is meant to be, in epochs, where nobody says.
EPOCHS: dict[str, int] = {
    "search": 8,
    "retrain": 30,
    "adamw": 30,
    "imagenet": 90,
    "senet": 100,
    "senet_ablation": 270,
    "cifar_resnet": 164,
    "cifar_wrn": 200,
    "cifar_shake_shake": 1800,
    "cifar_shake_even": 1800,
    "mobile": 400,
    "modern": 300,
    "rsb_a2": 300,
    "rsb_a3": 100,
    "senet154": 100,
}

# Where each recipe is from.
SOURCES: dict[str, str] = {
    "search": "SGD, rate 0.1 and weight decay 5e-4 of Wide ResNet's CIFAR runs (Zagoruyko and "
    "Komodakis 2016), with the cosine of Loshchilov and Hutter 2017; half of their batch, which "
    "in 4 epochs on 6,000 images of Fashion-MNIST gave val_acc 0.76 in place of 0.66",
    "retrain": "as search, with the batch of 128, a longer warm-up and label "
    "smoothing of 0.1 (Szegedy et al. 2016)",
    "adamw": "decoupled weight decay (Loshchilov and Hutter 2019); the values are this project's, "
    "for small networks in which SGD is hard to set",
    "imagenet": "rate 0.1 for a batch of 256 with 5 epochs of warm-up (Goyal et al. 2017), label "
    "smoothing of 0.1 (Szegedy et al. 2016), plain SE blocks as in the paper",
    "senet": "the paper's ImageNet runs (Hu et al., section 5.1), and those on Places365 (5.3), of "
    "which it says no more: batch 1024, SGD with momentum "
    "0.9, 0.6 divided by 10 every 30 of 100 epochs; weight decay by the authors "
    "(hujie-frank/SENet#37). The mean is subtracted and the deviation divided by, here",
    "senet_ablation": "the paper's ablations (section 6: rate 0.1, label smoothing) as the authors "
    "retrained them: batch 256, drops after epochs 125, 200 and 250 of 270 (hujie-frank/SENet#62) "
    "in place of the paper's plateaus",
    "cifar_resnet": "ResNet-110 and 164 of the paper's CIFAR runs, as He et al. 2016 trained them: "
    "0.1, drops after epochs 81 and 122 of 164; a linear epoch of warm-up in place of 400 steps at "
    "0.01",
    "cifar_wrn": "WRN-16-8 of the paper's CIFAR runs, as Zagoruyko and Komodakis 2016 trained it: "
    "0.1 times 0.2 after epochs 60, 120 and 160 of 200",
    "cifar_shake_shake": "Shake-Shake 26 2x96d of the paper's CIFAR runs, as Gastaldi 2017 trained "
    "it: 0.2, cosine, 1800 epochs; Cutout of 16 pixels, as for CIFAR-10 (DeVries and Taylor 2017)",
    "cifar_shake_even": "Shake-Even 29 2x4x64d of the paper's CIFAR runs, as Gastaldi 2017 trained "
    "it: batch 32, 0.025, cosine, 1800 epochs; Cutout of 8 pixels, as for CIFAR-100",
    "mobile": "the paper's mobile runs (Table 3): batch 256, 0.1 divided by 10 where the loss "
    "stays, some 400 epochs; patience of 10 is this project's, weight decay 4e-5 ShuffleNet's. Its "
    "slightly milder augmentation the paper does not describe: the data set's own here",
    "modern": "ingredients of `ResNet strikes back` (Wightman et al. 2021) and of torchvision's "
    "newer weights with AdamW, of this project's choice; for data of some size",
    "rsb_a2": "procedure A2 of Wightman et al. 2021, without its repeated augmentation and "
    "stochastic depth; RandAugment 7 has no spread of its magnitude here; LAMB is timm's",
    "rsb_a3": "procedure A3 of Wightman et al. 2021: 160 pixels to train on (`--image-size 160`); "
    "RandAugment 6 has no spread of its magnitude here; LAMB is timm's",
    "senet154": "points (e) to (g) of the paper's appendix on SENet-154: label smoothing, batch "
    "norms frozen for the last few epochs (how many it does not say), a batch of 2048 and a rate "
    "of 1.0; a cosine with warm-up, since it does not say the schedule",
}
