"""Section 6 of the SENet paper as a space: ResNet-50, one factor changed at a time, no FC biases.

Tables 10 (ratio), 11 (squeeze), 12 (gate), 13 (stages), 14 and 15 (placement), 16 (NoSqueeze).
"""

from se_nas import SE, Space, choice, maximize, per_stage

SE16 = SE(reduction=16, bias=False)

SPACE = Space(
    "paper_ablations",
    trunk="resnet50",
    se=choice(
        None,
        SE(reduction=choice(2, 4, 8, 16, 32), bias=False),
        SE(squeeze=choice("max", "none"), bias=False),
        SE(gate=choice("relu", "tanh"), bias=False),
        SE(placement=choice("pre", "post", "identity", "conv3x3"), bias=False),
        per_stage(None, {2: SE16}),
        per_stage(None, {3: SE16}),
        per_stage(None, {4: SE16}),
        per_stage(SE16, {5: None}),
    ),
    objectives=[maximize("val_acc")],
)
