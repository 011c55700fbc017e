"""The plugin for timm: names, features and classifier methods as timm's users call them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

import se_nas
import se_nas.timm
from se_nas import InputError

SMALL = {"architecture": "se_resnet18-depths1.1.1.1-width8_r4"}


def test_every_listed_model_is_registered() -> None:
    registered = sorted(timm.list_models("se_nas_*"))
    assert registered == sorted(f"se_nas_{name}" for name in se_nas.list_models())
    assert timm.is_model("se_nas")


def test_only_the_plugin_registers() -> None:
    code = (
        "import se_nas, timm; se_nas.materialize('resnet8_small'); print(timm.is_model('se_nas'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_model_is_that_of_materialize() -> None:
    model = timm.create_model("se_nas_se_resnet50_r16", num_classes=7, in_chans=1)
    ours = se_nas.materialize("se_resnet50_r16", num_classes=7, in_channels=1)
    ours.load_state_dict(model.state_dict())
    images = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(model.eval()(images), ours.eval()(images))
        features = model.forward_features(images)
        assert features.shape == (1, 2048, 2, 2)
        assert torch.equal(model.forward_head(features), ours(images))
        assert model.forward_head(features, pre_logits=True).shape == (1, model.num_features)
    assert (model.num_features, model.head_hidden_size) == (2048, 2048)
    assert (model.num_classes, model.in_chans, model.global_pool) == (7, 1, "avg")
    assert model.default_cfg["classifier"] == "fc"
    assert model.default_cfg["first_conv"] == "conv1"
    assert model.default_cfg["pool_size"] == (7, 7)


def test_the_classifier_can_be_changed() -> None:
    model = timm.create_model("se_nas", num_classes=0, **SMALL)
    images = torch.randn(2, 3, 64, 64)
    assert model.architecture == se_nas.Architecture.parse(SMALL["architecture"])
    assert isinstance(model.get_classifier(), nn.Identity)
    assert model(images).shape == (2, 64)
    model.reset_classifier(4)
    assert model(images).shape == (2, 4)
    assert model.get_classifier().out_features == model.num_classes == 4
    model.reset_classifier(0, "")
    assert model(images).shape == (2, 64, 2, 2)
    assert model.num_features == 64
    with pytest.raises(InputError, match="give num_classes=0"):
        model.reset_classifier(3)
    with pytest.raises(InputError, match="unknown global_pool 'max'"):
        model.reset_classifier(3, "max")


def test_features_are_those_of_timms_resnet() -> None:
    peer = timm.create_model("seresnet50").eval()
    weights = peer.state_dict()
    theirs = timm.create_model("seresnet50", features_only=True).eval()
    theirs.load_state_dict(weights, strict=False)
    ours = timm.create_model("se_nas_se_resnet50_tv_r16", features_only=True, weights=weights)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        pairs = list(zip(ours.eval()(images), theirs(images), strict=True))
    assert len(pairs) == 5
    for a, b in pairs:
        assert (a - b).abs().max() <= 1e-5 * b.abs().max()
    assert ours.feature_info.channels() == theirs.feature_info.channels()
    assert ours.feature_info.reduction() == theirs.feature_info.reduction()


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "shufflenet_v1_g3"])
def test_features_of_other_families(name: str) -> None:
    model = timm.create_model(f"se_nas_se_{name}_r16", features_only=True, out_indices=(0, 2, -1))
    maps = model(torch.zeros(1, 3, 64, 64))
    assert [m.shape[1] for m in maps] == model.feature_info.channels()
    assert [64 // m.shape[2] for m in maps] == model.feature_info.reduction()


def test_intermediates_and_pruning() -> None:
    model = timm.create_model("se_nas", **SMALL).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        last, maps = model.forward_intermediates(images, indices=2)
        assert torch.equal(last, model.forward_features(images))
        assert torch.equal(maps[1], last)
        early, found = model.forward_intermediates(images, indices=[1], stop_early=True)
        assert torch.equal(found[0], early)
    with pytest.raises(InputError, match="feature index 9"):
        model.forward_intermediates(images, indices=[9])
    before = sum(p.numel() for p in model.parameters())
    assert model.prune_intermediate_layers([0, 2]) == [0, 2]
    assert sum(p.numel() for p in model.parameters()) < before / 2
    assert model.forward_intermediates(images, [2], intermediates_only=True)[0].shape[1] == 16


def test_a_folder_with_weights(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    source = se_nas.materialize("se_resnet18_r16", num_classes=5).eval()
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    config = {
        "architecture": "se_nas_se_resnet18_r16",
        "num_classes": 5,
        "pretrained_cfg": {"num_classes": 5, "input_size": [3, 224, 224]},
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(images), source(images))


def test_what_timms_registry_does_not_allow() -> None:
    """The reasons for our names; if one of these passes, the names can be nicer."""
    with pytest.raises(ValueError, match="has no source prefix"):
        timm.create_model("se_nas/se_resnet50_r16")
    with pytest.raises(ValueError, match="Unknown model source"):
        timm.create_model("se-nas:se_resnet50_r16")
    with pytest.raises(RuntimeError, match="No pretrained weights exist"):
        timm.create_model("se_nas_se_resnet18_r16", pretrained=True)
