"""Pictures of where a network has SE."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from se_nas import SE, Architecture
from se_nas.search.report.placement import picture

MIXED = Architecture("resnet18", (None, SE(2), SE(16, placement="pre", gate="two_sigmoid"), None))


def test_each_stage_is_a_column_with_what_its_se_is() -> None:
    svg = ElementTree.fromstring(picture(MIXED))
    texts = [each.text for each in svg.iter("text")]
    assert texts.count("no SE") == 2
    assert [text for text in texts if text and text.startswith("stage")] == [
        f"stage {number}" for number in MIXED.stages
    ]
    assert "r = 2" in texts
    assert "avg, two sigmoid" in texts
    title = svg.find("title")
    assert title is not None
    assert str(title.text).startswith(str(MIXED))
    assert "stage 4: r = 16, pre, avg, two_sigmoid" in str(title.text)


def test_a_wider_squeeze_is_a_taller_bar() -> None:
    bars = re.findall(r'height="([\d.]+)" class="bar', picture(MIXED))
    assert len(bars) == 2
    assert float(bars[0]) > float(bars[1]) > 5
    [most] = re.findall(r'height="([\d.]+)" class="bar', picture(Architecture("resnet18", (
        SE(65536), None, None, None))))  # fmt: skip
    assert float(most) > 5
