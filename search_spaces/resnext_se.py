"""SE-ResNeXts: the cardinality of ResNeXt-50 and its SE settings, stage by stage."""

from se_nas import SE, Space, choice, macs, maximize, optional, params, per_stage, trunk

SPACE = Space(
    "resnext_se",
    trunk=choice(
        "resnext50_32x4d",
        trunk("resnext50_32x4d", groups=64, group_width=2),
        trunk("resnext50_32x4d", groups=16, group_width=6),
    ),
    se=per_stage(
        optional(
            SE(
                reduction=choice(4, 8, 16, 32),
                placement=choice("standard", "pre", "identity", "conv3x3"),
                squeeze=choice("avg", "max"),
                gate=choice("sigmoid", "hard_sigmoid"),
            )
        )
    ),
    constraints=[params <= 30e6, macs <= 4.5e9],
    objectives=[maximize("val_acc")],
)
