"""SE in mobile networks: which trunk, and where and how SE pays within 5.5 M parameters."""

from se_nas import SE, Space, choice, macs, maximize, optional, params, per_stage

SPACE = Space(
    "mobile_se",
    trunk=choice("mobilenet_v1", "mobilenet_v2", "shufflenet_v1_g3"),
    se=per_stage(
        optional(
            SE(
                reduction=choice(4, 8, 16, 32),
                placement=choice("standard", "pre", "conv3x3"),
                squeeze=choice("avg", "max"),
                gate=choice("sigmoid", "hard_sigmoid", "tanh"),
            )
        )
    ),
    constraints=[params <= 5.5e6, macs <= 600e6],
    objectives=[maximize("val_acc")],
)
