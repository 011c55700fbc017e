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
import se_nas.timm.registry
from se_nas import InputError
from se_nas.data import Preprocessing

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


# One small network of every family, and the side of its images.
FAMILIES = {
    "se_resnet18-depths1.1.1.1-width8_r4": 64,
    "se_senet154_trunk-depths1.1.1.1_r16": 64,
    "se_mobilenet_v1-width0.25_r4": 64,
    "se_mobilenet_v2-width0.25_r4": 64,
    "se_mobilenet_v3_small_trunk-width0.25_r4": 64,
    "se_shufflenet_v1_g3-scale0.25_r4": 64,
    "se_shufflenet_v2_x0_5_r4": 64,
    "se_vgg16_bn-depths1.1.1.1.1_r4": 64,
    "se_bn_inception_r16": 64,
    "se_inception_resnet_v2-depths1.1.1_r16": 299,
    "se_resnet164_preact-depths1.1.1_r16": 32,
    "se_wrn16_8-depths1.1.1-width16_r16": 32,
    "se_shake_shake_26_2x96d-depths1.1.1_r16": 32,
}


@pytest.mark.parametrize(("name", "side"), FAMILIES.items())
def test_shapes_are_what_timm_promises(name: str, side: int) -> None:
    """What timm's own tests ask of every model."""
    model = timm.create_model("se_nas", architecture=name, num_classes=7).eval()
    images = torch.randn(1, 3, side, side)
    with torch.no_grad():
        features = model.forward_features(images)
        assert features.shape[:2] == (1, model.num_features)
        assert torch.equal(model.forward_head(features), model(images))
        assert model.forward_head(features, pre_logits=True).shape == (1, model.head_hidden_size)
        last, maps = model.forward_intermediates(images)
        assert torch.equal(last, features)
        assert [m.shape[1] for m in maps] == [info["num_chs"] for info in model.feature_info]
        sides = [m.shape[2] for m in maps]
        for info, found in zip(model.feature_info, sides, strict=True):
            assert abs(found * info["reduction"] / side - 1) < 0.15, info
            assert model.get_submodule(info["module"]) is not None
        model.reset_classifier(0)
        assert model(images).shape == (1, model.head_hidden_size)
        model.reset_classifier(0, "")
        assert torch.equal(model(images), features)
        model.reset_classifier(3, "avg")
        assert model(images).shape == (1, 3)
        maps = timm.create_model("se_nas", architecture=name, features_only=True)(images)
        assert [m.shape[2] for m in maps] == sides


@pytest.mark.parametrize("name", ["vgg16_bn", "mobilenet_v3_small", "se_resnet50_tv_r16"])
def test_features_and_head_have_the_widths_of_timms_twin(name: str) -> None:
    twins = {"mobilenet_v3_small": "mobilenetv3_small_100", "se_resnet50_tv_r16": "seresnet50"}
    with torch.device("meta"):
        theirs = timm.create_model(twins.get(name, name))
        ours = timm.create_model(f"se_nas_{name}")
    assert ours.num_features == theirs.num_features
    assert ours.head_hidden_size == theirs.head_hidden_size
    assert ours.default_cfg["pool_size"] == theirs.default_cfg["pool_size"]


def test_gradient_checkpointing_changes_no_gradient() -> None:
    model = timm.create_model("se_nas", num_classes=3, **SMALL).eval()
    images = torch.randn(2, 3, 64, 64)
    gradients = []
    for enable in (False, True):
        model.set_grad_checkpointing(enable)
        model.zero_grad()
        model(images).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(map(torch.equal, *gradients))
    blocks = 0

    def count(*_: object) -> None:
        nonlocal blocks
        blocks += 1

    for stage in model.stage_names:
        for block in model.get_submodule(stage).children():
            block.register_forward_pre_hook(count)
    model(images).sum().backward()
    assert blocks == 8, "four blocks, each computed again for the backward pass"


def test_dropout_stands_before_the_classifier() -> None:
    torch.manual_seed(0)
    for name in (SMALL["architecture"], "se_vgg16_bn-depths1.1.1.1.1_r4"):
        plain = timm.create_model("se_nas", architecture=name, drop_rate=0.0).train()
        dropped = timm.create_model("se_nas", architecture=name, drop_rate=0.9).train()
        values = torch.rand(4, 512 if "vgg" in name else 64, 7, 7)
        a, b = (m.forward_head(values, pre_logits=True) for m in (plain, dropped))
        assert float((b == 0).float().mean()) > float((a == 0).float().mean()) + 0.2
        assert dropped.drop_rate == 0.9
        assert torch.equal(dropped.eval().forward_head(values), dropped.forward_head(values))


def test_layer_wise_learning_rates_follow_the_depth() -> None:
    from timm.models import group_parameters

    model = timm.create_model("se_nas", **SMALL)
    groups = list(group_parameters(model, model.group_matcher()).values())
    assert groups[0] == ["conv1.weight", "bn1.weight", "bn1.bias"]
    assert all(key.startswith("stage2.0.") for key in groups[1])
    assert "fc.weight" in groups[-1]
    assert len(list(group_parameters(model, model.group_matcher(coarse=True)))) == len(groups)


def test_a_checkpoint_of_other_classes_only_when_asked() -> None:
    weights = se_nas.materialize(SMALL["architecture"], num_classes=5).state_dict()
    with pytest.raises(InputError, match="give num_classes=5, or new_head=True"):
        timm.create_model("se_nas", num_classes=3, weights=weights, **SMALL)
    model = timm.create_model("se_nas", num_classes=3, weights=weights, new_head=True, **SMALL)
    assert torch.equal(model.get_parameter("conv1.weight"), weights["conv1.weight"])


@pytest.mark.parametrize("kind", ["hook", "dict"])
def test_features_name_modules_that_exist(kind: str) -> None:
    model = timm.create_model("se_nas", features_only=True, feature_cls=kind, **SMALL).eval()
    getter = timm.create_model("se_nas", features_only=True, **SMALL).eval()
    images = torch.randn(1, 3, 64, 64)
    found = model(images)
    found = list(found.values()) if isinstance(found, dict) else found
    assert [m.shape for m in found] == [m.shape for m in getter(images)]


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


@pytest.mark.parametrize("setting", ["output_stride", "drop_path_rate"])
def test_settings_of_other_models_are_refused_in_one_line(setting: str) -> None:
    with pytest.raises(InputError, match=f"unknown setting of a timm model '{setting}'") as caught:
        timm.create_model("se_nas", **SMALL, **{setting: 8})
    assert "allowed: architecture, num_classes, in_chans," in str(caught.value)


def test_the_settings_that_are_named_are_allowed() -> None:
    values = {"num_classes": 3, "in_chans": 1, "global_pool": "avg", "drop_rate": 0.1}
    values |= {"features_only": False, "missing_se": "error", "new_head": False}
    timm.create_model("se_nas", **SMALL, **values)
    timm.create_model("se_nas", **SMALL, features_only=True, out_indices=(1,))
    named = {*SMALL, *values, "out_indices", "weights"}
    assert named == set(se_nas.timm.model.SETTINGS)  # type: ignore[attr-defined]


def test_what_timms_registry_does_not_allow() -> None:
    """The reasons for our names; if one of these passes, the names can be nicer."""
    with pytest.raises(ValueError, match="has no source prefix"):
        timm.create_model("se_nas/se_resnet50_r16")
    with pytest.raises(ValueError, match="Unknown model source"):
        timm.create_model("se-nas:se_resnet50_r16")
    with pytest.raises(RuntimeError, match="No pretrained weights exist"):
        timm.create_model("se_nas_se_resnet18_r16", pretrained=True)


def test_a_file_of_ours_says_its_images_here_too(tmp_path: Path) -> None:
    told = Preprocessing(image_size=64, channels=3, classes=("cat", "dog"))
    path = tmp_path / "winner.safetensors"
    name = "se_resnet8_small-width8_r4"
    se_nas.save(se_nas.materialize(name, num_classes=2), path, told)
    created = timm.create_model("se_nas", architecture=name, num_classes=2, weights=path)
    assert created.preprocessing == told
    se_nas.save(created, path)
    assert se_nas.load(path).preprocessing == told
