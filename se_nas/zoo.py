"""The named models: every trunk plain and with SE at r = 16, and the paper's ablations.

A name is enough to build a model; this file says which names are listed, tested against the
golden figures and shown to users.
"""

from __future__ import annotations

from se_nas import trunks

# Section 6 and 7.1 of the paper, all on ResNet-50 without FC biases (Tables 10–16).
ABLATIONS: tuple[str, ...] = (
    "se_resnet50_r2_nobias",
    "se_resnet50_r4_nobias",
    "se_resnet50_r8_nobias",
    "se_resnet50_r16_nobias",
    "se_resnet50_r32_nobias",
    "se_resnet50_r16_max_nobias",
    "se_resnet50_r16_relu_nobias",
    "se_resnet50_r16_tanh_nobias",
    "se_resnet50_s2_r16_nobias",
    "se_resnet50_s3_r16_nobias",
    "se_resnet50_s4_r16_nobias",
    "se_resnet50_s234_r16_nobias",
    "se_resnet50_r16_pre_nobias",
    "se_resnet50_r16_post_nobias",
    "se_resnet50_r16_identity_nobias",
    "se_resnet50_r16_conv3x3_nobias",
    "se_resnet50_r16_nosqueeze_nobias",
)


def names() -> list[str]:
    """All listed names except the aliases."""
    plain = [name for name in trunks.named() if not name.endswith("_trunk")]
    return [*plain, *(f"se_{name}_r16" for name in plain), *ABLATIONS]
