"""A slim MobileNet for images of 28 to 64 px, small enough to search on a few CPU cores."""

from se_nas import SE, Space, choice, macs, maximize, optional, params, per_stage, trunk

SPACE = Space(
    "mobile_small_se",
    trunk=trunk("mobilenet_v1", width=choice(0.25, 0.35), stem="small"),
    se=per_stage(
        optional(
            SE(
                reduction=choice(2, 4, 8, 16),
                placement=choice("standard", "pre", "conv3x3"),
                squeeze=choice("avg", "max"),
                gate=choice("sigmoid", "hard_sigmoid", "two_sigmoid"),
            )
        )
    ),
    constraints=[params <= 600e3, macs <= 10e6],
    objectives=[maximize("val_acc")],
)
