"""``runners/materialize.py`` and ``se-nas materialize`` as a user calls them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import se_nas
from se_nas import cli
from se_nas.data import Preprocessing
from se_nas.models import export
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.zoo import zoo

ROOT = Path(__file__).resolve().parents[2]
NAME = "se_resnet8_small_r4"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        cli.main(["materialize", *arguments])
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["materialize", *arguments])
    assert stop.value.code == 0


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx", ".pt2"])
def test_out(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    run(NAME, "--out", str(path), "--num-classes", "5", "--in-channels", "1")
    assert path.stat().st_size > 300_000
    if suffix == ".safetensors":
        model = se_nas.load(path)
        assert (str(model.architecture), model.num_classes, model.in_channels) == (NAME, 5, 1)


def test_weights_go_through(tmp_path: Path) -> None:
    plain, out = tmp_path / "plain.safetensors", tmp_path / "se.safetensors"
    se_nas.save(se_nas.materialize("resnet8_small", num_classes=7), plain)
    given = [NAME, "--weights", str(plain), "--missing-se", "identity", "--new-head"]
    run(*given, "--num-classes", "3", "--out", str(out))
    ours, theirs = se_nas.load(out).state_dict(), se_nas.load(plain).state_dict()
    assert (ours["stage2.0.conv1.weight"] == theirs["stage2.0.conv1.weight"]).all()
    assert ours["fc.weight"].shape[0] == 3


def test_an_export_takes_the_image_size_from_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    told = Preprocessing(image_size=64, channels=3, classes=("cat", "dog"))
    se_nas.save(se_nas.materialize(NAME, num_classes=2), tmp_path / "winner.safetensors", told)
    given = [NAME, "--weights=~/winner.safetensors", "--out=~/model.pt2"]
    for more, side in (([], 64), (["--input-size", "48"], 48)):
        run(*given, *more)
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1].startswith(f"note: images of {side} px")
        extra = {"preprocessing.json": ""}
        program: Any = torch.export.load(tmp_path / "model.pt2", extra_files=extra).module()
        with torch.no_grad():
            assert program(torch.zeros(1, 3, side, side)).shape == (1, 2)
        assert Preprocessing.from_json(extra["preprocessing.json"]) == told.at(side)


def test_a_failed_check_of_an_export_is_one_line_and_leaves_the_old_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_run_onnx", lambda content, images: torch.zeros(3, 1000))
    out = tmp_path / "model.onnx"
    out.write_bytes(b"the good one")
    assert "is left as it was: ONNX Runtime differs" in refused(capsys, NAME, "--out", str(out))
    assert out.read_bytes() == b"the good one"


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    run("se_resnet50_s34_r16", "--summary", "--num-classes", "10")
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line.strip()}
    assert rows["stage3"][-1] == "r16"
    assert rows["stage2"][-1] == "-"
    assert " ".join(rows["stage5"][1:6]) == "2048 × 7 × 7"
    expected = se_nas.cost.network_cost.cost("se_resnet50_s34_r16", num_classes=10)  # type: ignore[attr-defined]
    assert rows["total"][1:] == [f"{expected.params:,}", f"{expected.macs / 1e6:,.2f}"]


@pytest.mark.parametrize("width", [80, 120])
def test_paper_tables_are_shown_with_the_differences(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run("--table", "10")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Table 10 of the SENet paper: 1000 classes, 224 px"
    rows = [line.split() for line in lines[3:9]]
    assert rows[2] == [
        "se_resnet50_r8_nobias",
        "[1]",
        "30.587",
        "30.7",
        "-0.113",
        "3.863",
        "22.26/5.99",
    ]
    assert rows[5] == ["resnet50", "25.557", "25.6", "-0.043", "3.858", "23.30/6.55"]
    assert lines[9].startswith("[1] the paper's figure has the 53,120 running statistics")


def test_mobile_networks_are_shown_in_millions_as_the_paper_prints_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    run("--table", "3")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[4:] == ["MMACs", "ref", "diff", "err", "%", "quoted"]
    assert lines[3].split()[4:] == ["568.7", "569", "-0.05%", "28.40/9.40", "29.40/-"]
    assert lines[4].split()[-5:] == ["569.2", "572", "-0.49%", "25.30/7.70", "-"]


@pytest.mark.parametrize("width", [80, 120])
def test_every_paper_table_fits_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for number in zoo.TABLES:
        run("--table", str(number))
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= width
        # One line a row, nothing folded or cut off.
        for row, line in zip(zoo.table(number), lines[3:], strict=False):
            assert line.split()[0] == row.name
            assert len(line.split()) == len(lines[3].split()) + bool(row.note)
            assert "…" not in line
        assert ("ref: as printed there" in lines[1]) == ("ref" in lines[2].split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["se_resnt50_r16", "--summary"], "did you mean 'se_resnet50_r16'"),
        ([NAME, "--out", "model.pth"], "unknown format of --out '.pth'"),
        ([NAME, "--out", "/no/folder/model.onnx"], "there is no folder '/no/folder'"),
        ([NAME], "nothing to do"),
        ([], "NAME is missing"),
        ([NAME, "--weights", "/none.pth", "--out", "model.onnx"], "there is no file"),
        ([NAME, "--input-size", "0", "--out", "model.pt2"], "input_size"),
        ([NAME, "--missing-se", "no", "--weights", ".", "--out", "a.pt2"], "unknown missing_se"),
        ([NAME, "--optimize", "--out", "model.safetensors"], "write .onnx or .pt2"),
        ([NAME, "--missing-se", "identity", "--out", "a.pt2"], "give --weights too"),
        ([NAME, "--new-head", "--out", "a.pt2"], "give --weights too"),
        ([NAME, "--summary", "--weights", "a.safetensors"], "give --out FILE too"),
        ([NAME, "--fold", "digits", "--out", "a.pt2"], "give --weights too"),
        ([NAME, "--data-dir", ".", "--out", "a.pt2"], "give --fold DATA too"),
        ([NAME, "--table", "10", "--optimize"], "give --out FILE too"),
        (["--table", "10", "--out", "a.onnx"], "NAME is missing"),
        ([__file__, "--out", "a.onnx"], "--weights"),
        ([NAME, "--out", "/proc/a.pt2"], "cannot be written"),
        (["vgg16_bn", "--input-size", "16", "--out", "a.onnx"], "1 px is too small"),
        (["inception_resnet_v2", "--input-size", "32", "--out", "a.pt2"], "too small"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)
    assert not list(tmp_path.iterdir())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"se-nas {se_nas.__version__}\n"


def test_the_script_helps_without_torch() -> None:
    script = ROOT / "runners" / "materialize.py"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(script), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--missing-se" in done.stdout
    assert "| torch" not in done.stderr


def test_an_export_takes_sizes_from_the_file_of_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnx

    from se_nas.data import Preprocessing

    told = Preprocessing(
        image_size=64, channels=1, crop="squash", mean=(0.5,), std=(0.2,), classes=("a", "b")
    )
    winner, out = tmp_path / "winner.safetensors", tmp_path / "model.onnx"
    se_nas.save(se_nas.materialize(NAME, num_classes=2, in_channels=1), winner, told)
    given = [NAME, "--weights", str(winner), "--out", str(out)]
    for more, size, note in (
        ([], 64, "images of 64 px, as the weights say"),
        (["--input-size", "32"], 32, "images of 32 px; the weights were trained on 64 px"),
    ):
        run(*given, *more)
        assert note in capsys.readouterr().out
        found = onnx.load(out)
        shape = [each.dim_value for each in found.graph.input[0].type.tensor_type.shape.dim]
        assert shape[1:] == [1, size, size]
        props = {each.key: each.value for each in found.metadata_props}
        assert Preprocessing.from_json(props["preprocessing"]) == told.at(size)
    assert "9 classes" in refused(capsys, *given, "--num-classes", "9")


def test_se_that_brings_nothing_is_folded_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = se_nas.materialize(NAME, num_classes=10, in_channels=1)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, SqueezeExcitation):  # a gate that is the same for all images
                module.fc2.weight.zero_()
    se_nas.save(model, tmp_path / "a.safetensors")
    files = ["--weights", str(tmp_path / "a.safetensors"), "--out", str(tmp_path / "b.onnx")]
    run(NAME, *files, "--fold", "digits", "--input-size", "8")
    told = capsys.readouterr().out
    assert "note: folded: stages 2, 3, 4; resnet8_small" in told
    assert "note: test: " in told
    assert (tmp_path / "b.onnx").stat().st_size > 0


def test_a_run_and_a_file_of_ours_stand_for_their_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = se_nas.materialize(NAME, num_classes=2)
    file = tmp_path / "winner.safetensors"
    se_nas.save(model, file, Preprocessing(image_size=24, channels=3))
    for given in (file, tmp_path):
        run(str(given), "--out", str(tmp_path / "m.onnx"), "--summary")
        told = capsys.readouterr().out
        assert f"{NAME} → " in told
        assert "16 × 24 × 24" in told, "its own size of images"
        (tmp_path / "m.onnx").unlink()
    assert "leave --weights out" in refused(
        capsys, str(file), "--weights", "a.pth", "--out", "a.onnx"
    )
    assert "there is no file" in refused(capsys, str(tmp_path / "b.safetensors"), "--summary")
