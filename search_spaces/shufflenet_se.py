"""SE-ShuffleNets: the groups and scale of v1, the sizes of v2, and SE in their three stages."""

from se_nas import SE, Space, choice, macs, maximize, optional, params, per_stage, trunk

SPACE = Space(
    "shufflenet_se",
    trunk=choice(
        trunk("shufflenet_v1_g3", scale=choice(0.5, 1.0)),
        "shufflenet_v1_g8",
        "shufflenet_v2_x0_5",
        "shufflenet_v2_x1_0",
    ),
    se=per_stage(
        optional(
            SE(
                reduction=choice(2, 4, 8, 16),
                placement=choice("standard", "pre", "post", "identity", "conv3x3"),
                squeeze=choice("avg", "max", "avgmax"),
                gate=choice("sigmoid", "hard_sigmoid"),
            )
        )
    ),
    constraints=[params <= 3e6, macs <= 160e6],
    objectives=[maximize("val_acc")],
)
