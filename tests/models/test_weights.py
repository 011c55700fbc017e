"""Weights in: round trips are equal; everything that does not fit is said in one line."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import se_nas
from se_nas import InputError, materialize
from se_nas.models.checkpoint_files import read_state_dict
from se_nas.models.weights import load_weights
from se_nas.nn.model import Model

NAME = "se_resnet8_small_r4"


def model(name: str = NAME, **arguments: Any) -> Model:
    """A model whose every tensor, batch-norm statistics included, is random."""
    built = materialize(name, **{"num_classes": 10, **arguments})
    with torch.no_grad():
        for tensor in built.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
            else:
                tensor.fill_(7)
    return built


def refused(weights: Any, name: str = NAME, **arguments: Any) -> str:
    """The message of the error, which is one line; the model must not have changed."""
    target = model(name, **arguments)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(InputError) as error:
        load_weights(target, weights)
    assert all(torch.equal(before[key], value) for key, value in target.state_dict().items())
    assert "\n" not in str(error.value)
    return str(error.value)


def save_pth(state: dict[str, Tensor], path: Path) -> None:
    torch.save(state, path)


@pytest.mark.parametrize(
    ("suffix", "save"), [(".safetensors", save_file), (".pth", save_pth), (".pt", save_pth)]
)
@pytest.mark.parametrize("as_text", [True, False])
def test_round_trip(
    tmp_path: Path, suffix: str, save: Callable[[Any, Path], None], as_text: bool
) -> None:
    source = model()
    path = tmp_path / f"weights{suffix}"
    save(source.state_dict(), path)
    torch.manual_seed(1)
    target = materialize(NAME, num_classes=10, weights=str(path) if as_text else path)
    wanted = source.state_dict()
    assert target.state_dict().keys() == wanted.keys()
    assert all(torch.equal(value, wanted[key]) for key, value in target.state_dict().items())


def test_state_dict_is_copied() -> None:
    source = model()
    target = materialize(NAME, num_classes=10, weights=source.state_dict())
    with torch.no_grad():
        source.state_dict()["fc.bias"].zero_()
    assert float(target.state_dict()["fc.bias"].min()) >= 0.5


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_wrapped(tmp_path: Path, wrapper: str) -> None:
    source = model()
    path = tmp_path / "checkpoint.pth"
    torch.save({wrapper: source.state_dict(), "epoch": 3}, path)
    assert read_state_dict(path).keys() == source.state_dict().keys()
    load_weights(model(), path)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_prefixes_of_wrapping_modules(tmp_path: Path, prefix: str) -> None:
    source = model()
    path = tmp_path / "checkpoint.pth"
    torch.save({"state_dict": {prefix + k: v for k, v in source.state_dict().items()}}, path)
    target = materialize(NAME, num_classes=10, weights=path).state_dict()
    assert all(torch.equal(target[key], value) for key, value in source.state_dict().items())
    mixed = dict(source.state_dict())
    mixed[f"{prefix}conv1.weight"] = mixed.pop("conv1.weight")
    assert f"1 left over ({prefix}conv1.weight)" in refused(mixed)


def test_data_parallel_models_are_taken_as_they_are() -> None:
    import torchvision

    peer = torchvision.models.resnet18(num_classes=10)
    wrapped = torch.nn.DataParallel(peer).state_dict()
    ours = materialize("resnet18_tv", num_classes=10, weights=wrapped)
    assert torch.equal(ours.get_parameter("fc.weight"), peer.fc.weight)


@pytest.mark.parametrize("name", ["weights.bin", "weights.ckpt", "weights"])
@pytest.mark.parametrize("save", [save_file, save_pth])
def test_the_content_tells_the_format(
    tmp_path: Path, name: str, save: Callable[[Any, Path], None]
) -> None:
    path = tmp_path / name
    save(model().state_dict(), path)
    load_weights(model(), path)


def test_somebody_elses_metadata_is_no_architecture(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(model().state_dict(), path, {"architecture": "seresnet8", "format": "pt"})
    load_weights(model(), path)


def test_counters_may_be_missing() -> None:
    source = model()
    state = {k: v for k, v in source.state_dict().items() if not k.endswith("batches_tracked")}
    target = model()
    load_weights(target, state)
    assert torch.equal(target.state_dict()["conv1.weight"], state["conv1.weight"])


class Code:
    """Runs when it is unpickled by a reader that allows it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    path = tmp_path / "weights.pth"
    torch.save({**model().state_dict(), "payload": Code(ran)}, path)
    text = refused(path)
    assert "holds code or objects such as" in text
    assert "never run" in text
    assert not ran.exists()
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps(Code(ran)))
    refused(plain)
    assert not ran.exists()
    pickle.loads(plain.read_bytes())
    assert ran.exists(), "the payload works where it is let"


@pytest.mark.parametrize(("suffix", "save"), [(".safetensors", save_file), (".pth", save_pth)])
def test_truncated_file(tmp_path: Path, suffix: str, save: Callable[[Any, Path], None]) -> None:
    path = tmp_path / f"weights{suffix}"
    save(model().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-1000])
    assert path.name in refused(path)
    path.write_bytes(b"")
    assert path.name in refused(path)
    path.write_bytes(b"\x00garbage" * 9)
    assert path.name in refused(path)


def test_no_such_file(tmp_path: Path) -> None:
    assert "there is no file" in refused(tmp_path / "none.pth")
    assert "there is no file" in refused(str(tmp_path / "none.safetensors"))
    assert "there is no file" in refused(tmp_path)


def test_damaged_files_say_so(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_text("hello")
    assert refused(path).endswith("neither a safetensors file nor one of torch.save, or damaged")
    path.write_bytes(b"")
    assert refused(path).endswith("it is empty or cut short")
    save_pth(model().state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(content[:5000])
    assert refused(path).endswith("or damaged")
    path.write_bytes(content[:-1000])
    assert refused(path).endswith("failed finding central directory")


def test_programs_are_no_checkpoints(tmp_path: Path) -> None:
    small = model().eval()
    onnx = tmp_path / "model.onnx"
    onnx.write_bytes(b"\x08\n\x12\x07pytorch")
    assert "is an ONNX model, a network to run and no checkpoint; give safetensors" in refused(onnx)
    program = tmp_path / "model.pt2"
    se_nas.export_program(small, program, 32)
    assert "is a torch.export program, a network to run" in refused(program)
    script = tmp_path / "model.pt"
    with zipfile.ZipFile(script, "w") as archive:
        archive.writestr("model/code/__torch__/Net.py", "")
        archive.writestr("model/data.pkl", b"")
    assert "is a TorchScript program, a network to run" in refused(script)


def test_tensors_without_plain_values_are_refused() -> None:
    state = model().state_dict()
    for wrong in (
        torch.zeros(10, 64, device="meta"),
        torch.zeros(10, 64).to_sparse(),
        torch.zeros(10, 64, dtype=torch.int32),
    ):
        assert "the checkpoint's fc.weight is" in refused({**state, "fc.weight": wrong})


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"epoch": 3},
        torch.zeros(3),
        {"state_dict": {"a": 1}},
        "text",
        {0: torch.zeros(3)},
        {"net": {"conv1.weight": torch.zeros(3)}},
    ],
)
def test_not_a_state_dict(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    assert "no state dict of tensors" in refused(path)


def test_wrong_number_of_classes() -> None:
    text = refused(model(num_classes=7).state_dict())
    assert "with 10 classes" in text
    assert "fc.weight (7, 64) instead of (10, 64)" in text


def test_wrong_number_of_input_channels() -> None:
    assert "3 input channels" in refused(model(in_channels=1).state_dict())


def test_missing_and_left_over_keys_are_listed() -> None:
    state = dict(model().state_dict())
    del state["stage2.0.conv1.weight"]
    state["surplus.weight"] = torch.zeros(1)
    text = refused(state)
    assert NAME in text
    assert "1 missing (stage2.0.conv1.weight)" in text
    assert "1 left over (surplus.weight)" in text


def test_many_keys_are_cut_short() -> None:
    text = refused({})
    assert re.search(r"\d\d missing \(.*, …\)", text)
    assert len(text) < 500


@pytest.mark.parametrize(
    ("asked", "theirs", "right"),
    [
        ("se_resnet18_tv_r16", "seresnet18", "se_resnet18_tv_r16_round8"),
        ("resnet18_tv", "seresnet18", "se_resnet18_tv_r16_round8"),
        ("se_resnet18_tv_r4_nobias", "seresnet18", "se_resnet18_tv_r16_round8"),
        ("se_resnet50_tv_r8", "seresnet50", "se_resnet50_tv_r16"),
    ],
)
def test_other_widths_of_se_name_the_right_model(asked: str, theirs: str, right: str) -> None:
    import timm

    with torch.device("meta"):
        weights = timm.create_model(theirs).state_dict()
    with pytest.raises(InputError, match=f"its SE blocks have the shapes of '{right}'$"):
        materialize(asked, weights=weights)


def test_no_name_is_offered_for_other_blocks() -> None:
    state = model("se_resnet8_small_s3_r4").state_dict()
    assert "have the shapes of" not in refused(state, "se_resnet8_small_s2_r4")


def test_trunk_without_se_is_not_the_network_with_se() -> None:
    assert "12 missing" in refused(model("resnet8_small").state_dict())
    assert "12 left over" in refused(model().state_dict(), "resnet8_small")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("se_resnet50_r16", "se_resnet50_tv_r16"),
        ("se_resnet50_tv_r16", "se_resnet50_r16"),
        ("resnext50_32x4d", "resnext50_32x4d_tv"),
        ("resnext50_32x4d_tv", "resnext50_32x4d"),
    ],
)
def test_other_lineage_names_the_right_model(ours: str, theirs: str) -> None:
    depth = "-depths1.1.1.1"
    name, other = (re.sub(r"(_r16)?$", depth + r"\1", text, count=1) for text in (ours, theirs))
    text = refused(materialize(other, num_classes=10).state_dict(), name)
    assert "lineage" in text
    assert f"Use {other!r}" in text
    load_weights(model(other), materialize(other, num_classes=10).state_dict())


def test_materialize_refuses_wrong_sizes() -> None:
    for wrong in (0, -1, 2.0, "10", None):
        with pytest.raises(InputError, match="num_classes"):
            materialize(NAME, num_classes=wrong)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="in_channels"):
            materialize(NAME, in_channels=wrong)  # type: ignore[arg-type]


def plain_and_se(plain: str, se: str) -> tuple[Model, Model]:
    """A random network in ``eval``, and one with SE that took its weights."""
    source = model(plain).eval()
    torch.manual_seed(1)
    target = materialize(se, num_classes=10, weights=source.state_dict(), missing_se="identity")
    return source, target.eval()


@pytest.mark.parametrize(
    ("plain", "se"),
    [
        ("resnet8_small", "se_resnet8_small_r4"),
        ("resnet8_small", "se_resnet8_small_r4_pre_max_hsigmoid"),
        ("resnet8_small", "se_resnet8_small_s3_r4_post_2sigmoid"),
        ("resnet8_small", "se_resnet8_small_r4_identity_nosqueeze_2sigmoid"),
        ("resnet8_small", "se_resnet8_small_r4_relu"),
        ("se_resnet8_small_s3_r4", "se_resnet8_small_r4"),
        ("resnet50_tv-depths1.1.1.1", "se_resnet50_tv-depths1.1.1.1_r16"),
        ("resnext50_32x4d_tv-depths1.1.1.1", "se_resnext50_32x4d_tv-depths1.1.1.1_r16"),
        ("mobilenet_v1-width0.25", "se_mobilenet_v1-width0.25_r4_conv3x3"),
        ("mobilenet_v2-width0.25", "se_mobilenet_v2-width0.25_r4"),
        ("shake_shake_26_2x96d-depths1.1.1", "se_shake_shake_26_2x96d-depths1.1.1_r16_pre"),
        ("shufflenet_v2_x0_5-depths1.1.1", "se_shufflenet_v2_x0_5-depths1.1.1_r4"),
    ],
)
def test_a_checkpoint_without_se_computes_the_same_with_se(plain: str, se: str) -> None:
    source, target = plain_and_se(plain, se)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = source(images)
        assert torch.isfinite(expected).all()
        assert torch.equal(target(images), expected)


@pytest.mark.parametrize(
    ("plain", "se"),
    [
        ("shufflenet_v1_g3-scale0.25", "se_shufflenet_v1_g3-scale0.25_r4"),
        ("bn_inception", "se_bn_inception_r16"),
        ("bn_inception", "se_bn_inception_r16_pre_hsigmoid"),
    ],
)
def test_deep_checkpoints_without_se_compute_the_same_with_se(plain: str, se: str) -> None:
    torch.manual_seed(0)
    source = materialize(plain, num_classes=10)
    source(torch.randn(2, 3, 64, 64))  # statistics that are those of no other network
    target = materialize(se, num_classes=10, weights=source.state_dict(), missing_se="identity")
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = source.eval()(images)
        assert torch.isfinite(expected).all()
        assert not torch.equal(expected[0], expected[1])
        assert torch.equal(target.eval()(images), expected)


def test_se_that_came_in_learns() -> None:
    torch.manual_seed(0)
    source = materialize("resnet8_small", num_classes=10)
    target = materialize(
        "se_resnet8_small_r4", num_classes=10, weights=source.state_dict(), missing_se="identity"
    ).eval()
    target(torch.randn(2, 3, 32, 32)).square().sum().backward()
    gradient = target.get_parameter("stage2.0.se.fc2.weight").grad
    assert gradient is not None
    assert gradient.abs().max() > 0


def test_torchvisions_resnet50_takes_se_in() -> None:
    import torchvision

    torch.manual_seed(0)
    peer = torchvision.models.resnet50(num_classes=10).eval()
    weights = peer.state_dict()
    ours = materialize(
        "se_resnet50_tv_r16", num_classes=10, weights=weights, missing_se="identity"
    ).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), peer(images))


def test_se_is_missing_only_when_asked() -> None:
    state = model("resnet8_small").state_dict()
    text = refused(state)
    assert "12 missing" in text
    assert "missing_se='identity' starts these SE blocks" in text
    del state["stage2.0.conv1.weight"]
    assert "missing_se" not in refused(state)
    with pytest.raises(InputError, match="1 missing"):
        load_weights(model(), state, missing_se="identity")
    with pytest.raises(InputError, match="unknown missing_se 'identiy'; did you mean 'identity'"):
        load_weights(model(), state, missing_se="identiy")  # type: ignore[arg-type]


def test_se_that_is_there_stays() -> None:
    source = model()
    target = materialize(NAME, num_classes=10, weights=source.state_dict(), missing_se="identity")
    wanted = source.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in target.state_dict().items())


def test_half_an_se_block_is_refused() -> None:
    state = model().state_dict()
    del state["stage2.0.se.fc2.weight"]
    target = model()
    with pytest.raises(InputError, match=r"1 missing \(stage2.0.se.fc2.weight\)"):
        load_weights(target, state, missing_se="identity")


def test_blocks_that_cannot_be_identities_are_named() -> None:
    state = model("resnet8_small").state_dict()
    target = model("se_resnet8_small_r4_post")
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(
        InputError, match=r"3 SE blocks \(stage2.0.se, stage3.0.se, stage4.0.se\).*two_sigmoid"
    ):
        load_weights(target, state, missing_se="identity")
    assert all(torch.equal(before[key], value) for key, value in target.state_dict().items())


def test_our_own_file_without_se(tmp_path: Path) -> None:
    import se_nas

    source = model("se_resnet8_small_s3_r4")
    path = tmp_path / "weights.safetensors"
    se_nas.save(source, path)
    target = materialize(NAME, num_classes=10, weights=path, missing_se="identity").eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(target(images), source.eval()(images))
    with pytest.raises(InputError, match="checkpoint of se_resnet8_small_s3_r4, not of"):
        materialize(NAME, num_classes=10, weights=path)
    other = "se_resnet8_small_s3_r4_max_s24_r4"
    with pytest.raises(InputError, match="checkpoint of se_resnet8_small_s3_r4, not of"):
        materialize(other, num_classes=10, weights=path, missing_se="identity")


def test_the_head_is_fresh_only_when_asked() -> None:
    source = model(num_classes=7)
    assert "give num_classes=7, or new_head=True" in refused(source.state_dict())
    target = model()
    head = target.get_parameter("fc.weight").clone()
    load_weights(target, source.state_dict(), new_head=True)
    assert torch.equal(target.get_parameter("fc.weight"), head)
    assert torch.equal(
        target.get_parameter("stage2.0.conv1.weight"),
        source.get_parameter("stage2.0.conv1.weight"),
    )
    same = model()
    load_weights(target, same.state_dict(), new_head=True)
    assert torch.equal(target.get_parameter("fc.weight"), head)
    bare = {key: value for key, value in same.state_dict().items() if not key.startswith("fc.")}
    load_weights(target, bare, new_head=True)
    with pytest.raises(InputError, match="3 input channels"):
        load_weights(model(), model(in_channels=1).state_dict(), new_head=True)
