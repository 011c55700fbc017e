"""What a latency is measured with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from se_nas import InputError, Space, latency_ms, macs, maximize, minimize
from se_nas.latency.settings import LatencySettings, uses_latency


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch", 0),
        ("threads", 0),
        ("warm_up", -1),
        ("repeats", 0),
        ("sweeps", 0),
        ("networks", 0),
        ("held_out", -1),
        ("batch", 1.5),
        ("precision", "float3"),
        ("backend", "onnx"),
        ("command", "trtexec"),
    ],
)
def test_a_wrong_value_is_named(field: str, value: Any) -> None:
    wrong: dict[str, Any] = {field: value}
    with pytest.raises(InputError, match=f"latency {field}") as error:
        LatencySettings(**wrong)
    assert repr(value) in str(error.value)
    assert "\n" not in str(error.value)


def test_the_cache_is_a_folder(tmp_path: Path) -> None:
    assert LatencySettings(cache=str(tmp_path / "new")).cache == str(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        LatencySettings(cache=str(tmp_path / "file"))


def test_how_much_is_measured_is_no_part_of_one_measurement(tmp_path: Path) -> None:
    more = LatencySettings(networks=7, held_out=1, cache=str(tmp_path))
    assert more.of_one() == LatencySettings().of_one()
    for changed in (
        LatencySettings(batch=2),
        LatencySettings(precision="bfloat16"),
        LatencySettings(channels_last=True),
        LatencySettings(threads=2),
        LatencySettings(repeats=50),
        LatencySettings(backend="compile"),
        LatencySettings(command="time_it {onnx}"),
    ):
        assert changed.of_one() != LatencySettings().of_one()


def test_eager_measurements_of_earlier_versions_are_good() -> None:
    assert not {"backend", "command"} & set(LatencySettings().of_one())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"command": "a {onnx}", "backend": "compile"}, "give one of them"),
        ({"command": "a {onnx}", "precision": "float16"}, "float32 and NCHW, not float16"),
        ({"backend": "onnxruntime", "channels_last": True}, "not float32 and channels-last"),
    ],
)
def test_settings_that_exclude_each_other(given: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        LatencySettings(**given)


def test_a_backend_without_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("se_nas.latency.settings.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"onnxruntime.*se-nas\[onnx\]"):
        LatencySettings(backend="onnxruntime")
    LatencySettings(backend="compile")


def test_which_spaces_ask_for_latency() -> None:
    assert uses_latency(Space("s", trunk="resnet18", constraints=[latency_ms <= 5]))
    both = [maximize("val_acc"), minimize("latency_ms")]
    assert uses_latency(Space("s", trunk="resnet18", objectives=both))
    assert not uses_latency(Space("s", trunk="resnet18", constraints=[macs <= 5e9]))
