"""SE-ResNets: where SE goes in ResNet-50, how strong, with which operators (paper, section 6)."""

from se_nas import SE, Space, choice, macs, maximize, optional, params, per_stage

SPACE = Space(
    "resnet_se",
    trunk=choice("resnet18", "resnet34", "resnet50"),
    se=per_stage(
        optional(
            SE(
                reduction=choice(2, 4, 8, 16, 32),
                placement=choice("standard", "pre", "post", "identity"),
                squeeze=choice("avg", "max", "avgmax"),
                gate=choice("sigmoid", "hard_sigmoid", "tanh"),
            )
        )
    ),
    constraints=[params <= 32e6, macs <= 4.2e9],
    objectives=[maximize("val_acc")],
)
