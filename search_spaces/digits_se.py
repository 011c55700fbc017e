"""A small space that a laptop CPU finishes: slim residual networks for images of 8 to 32 px."""

from se_nas import SE, Space, choice, maximize, optional, params, per_stage, trunk

SPACE = Space(
    "digits_se",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(
        optional(
            SE(
                reduction=choice(2, 4, 8),
                placement=choice("standard", "pre", "identity"),
                squeeze=choice("avg", "max"),
                gate=choice("sigmoid", "two_sigmoid"),
            )
        )
    ),
    constraints=[params <= 100e3],
    objectives=[maximize("val_acc")],
)
