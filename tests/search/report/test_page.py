"""The page of a run, whatever the run is: read as a browser does, and drawn by one."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import math
import re
import threading
import urllib.request
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest
from made_runs import made, space_of

from se_nas import (
    InputError,
    maximize,
    minimize,
)
from se_nas.cli import main
from se_nas.search.report import charts as plots
from se_nas.search.report.charts import charts
from se_nas.search.report.comparison import render_comparison
from se_nas.search.report.contents import read
from se_nas.search.report.page import render, write_report
from se_nas.search.report.serve import serve_report
from se_nas.search.run_dir.directory import FAILED, RESULTS, RunDirectory
from se_nas.search.study.ranking import ranking
from se_nas.search.study.study import read_study

HOSTILE = "<img src=x onerror=alert(1)>&\"'\x1b[31m{{ 7 * 7 }}</script>"


class Page(HTMLParser):
    """What a browser makes of a page: its tags, their attributes, and its texts."""

    VOID = ("meta", "link", "input", "br", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).replace("\u200b", "").split())


def page_of(run: RunDirectory) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def packed(text: str, name: str) -> str:
    found = re.search(rf'id="{name}">([^<]*)<', text)
    assert found is not None
    return gzip.decompress(base64.b64decode(found[1])).decode()


def test_the_page_of_a_whole_run_says_the_answer_first(tmp_path: Path) -> None:
    run = made(tmp_path)
    path = write_report(run)
    assert path == run.path / "report.html"
    content = path.read_text(encoding="utf-8")
    assert len(content.encode()) < 3_000_000
    page = Page(content)
    results = run.read(RESULTS)
    assert results["winner"] in page.text
    assert results["verdict"] in page.text
    assert results["advice"] in page.text
    assert "+10.00 ± 2.27" in page.text, "the lead on the trunk without SE, and its interval"
    assert 'se_nas.materialize("' in page.text, "these trainings gave no weights"
    assert "resnet8_small, 16" not in page.text
    words = ("The answer", "Compared with", "Where SE pays", "Where the networks", "All trials")
    at = [page.text.index(word) for word in words]
    assert at == sorted(at)
    for trial in read(run).trials:
        assert trial.name in page.text
    figures = json.loads(packed(content, "data"))
    foreseen = [t for t in figures[1]["figure"]["data"] if t["name"].startswith("random search")]
    assert foreseen[0]["y"] == sorted(foreseen[0]["y"])
    assert len(foreseen[0]["y"]) == 30
    assert [each["key"] for each in figures] == [
        *("front", "history", "curves", "importance", "parallel", "spent")
    ]
    assert figures[1]["csv"].count("\n") == 31
    assert "Plotly" in packed(content, "plotly") or "plotly" in packed(content, "plotly")


def test_the_page_asks_no_network_and_is_read_aloud(tmp_path: Path) -> None:
    page = page_of(made(tmp_path))
    for tag, attrs in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert not (attrs.get(name) or "").startswith(("http", "//", "file")), (tag, attrs)
        if tag == "svg" and attrs.get("role") != "img":
            assert attrs.get("aria-hidden") == "true"
        if tag == "th":
            assert attrs["scope"] == "col"
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))
    assert ("html", {"lang": "en"}) in page.tags
    tags = [tag for tag, _ in page.tags]
    assert tags.count("caption") == tags.count("table") > 2
    assert {"main", "title", "label"} <= set(tags)
    plots_ = [attrs for _, attrs in page.tags if attrs.get("class") == "plot"]
    assert all(attrs["aria-label"] for attrs in plots_)
    assert len(plots_) == 6


def test_hostile_names_are_texts(tmp_path: Path) -> None:
    run = made(tmp_path, ends=("complete", "error"), reason=HOSTILE)
    other = run.path.with_name("a<b>&'c' {{ 7 * 7 }}")
    run.path.rename(other)
    # The study is named in the settings, the folder is not.
    page = page_of(RunDirectory(other))
    assert "a<b>&'c' {{ 7 * 7 }}" in page.text
    assert "<img src=x onerror=alert(1)>" in page.text
    assert "img" not in [tag for tag, _ in page.tags]
    assert "\x1b" not in page.text
    assert "49" not in page.text.split("Trained")[0]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ({"trials": 1}, "Trained 1 networks, 1 complete"),
        ({"trials": 4, "ends": ("error",), "reason": "no disk"}, "Nothing was trained to its end"),
        ({"trials": 8, "finished": False}, "The search is not complete"),
        ({"trials": 3, "ends": ("error",), "finished": False}, "No trial has come to its end yet"),
        ({"trials": 6, "ends": ("complete", "not_finite", "out_of_memory")}, "diverged"),
    ],
)
def test_runs_that_are_not_whole(tmp_path: Path, kind: dict[str, Any], said: str) -> None:
    run = made(tmp_path, **({"ends": ("complete",)} | kind))
    assert said in page_of(run).text


def test_metrics_that_are_no_numbers(tmp_path: Path) -> None:
    run = made(tmp_path, trials=5, ends=("error",), value=math.nan, finished=False)
    assert "No trial has come to its end yet" in page_of(run).text
    assert not [chart for chart in charts(read(run)) if chart.key != "spent"]


def test_several_objectives_and_losses(tmp_path: Path) -> None:
    run = made(tmp_path, maximize("val_acc"), minimize("macs"))
    page = page_of(run)
    assert "maximize val_acc, minimize macs" in page.text
    assert "The Pareto front of the search" in page.text
    for row in run.read(RESULTS)["ranking"]:
        assert f"{100 * row['values'][0]:.2f} {row['values'][1]:,.0f}" in page.text
    assert run.read(RESULTS)["winner"] in page.text
    cut = made(tmp_path / "cut", maximize("val_acc"), minimize("macs"), finished=False)
    front = ranking(
        read_study(cut.settings(), cut), space_of(maximize("val_acc"), minimize("macs"))
    )
    assert len(front) > 1
    assert [a for a, _ in read(cut).best] == [a for a, _ in front]
    loss = made(tmp_path / "loss", minimize("val_loss"))
    assert "of val_loss" in page_of(loss).text
    [front] = [chart for chart in charts(read(loss)) if chart.key == "front"]
    costs = plots.COSTS
    line = front.figure["data"][len(front.figure["data"]) // len(costs) - 2]
    assert line["name"] == "front"
    assert line["y"] == sorted(line["y"], reverse=True)


def test_a_run_of_the_version_before(tmp_path: Path) -> None:
    run = made(tmp_path)
    results = run.read(RESULTS)
    for final_ in results["finals"]:
        del final_["more"]
    for key in ("effects", "advice", "proposals", "at_random"):
        del results[key]
    run.write(RESULTS, results)
    assert results["verdict"] in page_of(run).text
    (run.path / "versions.json").unlink()
    assert results["verdict"] in page_of(run).text


def test_a_damaged_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made(tmp_path, trials=2)
    (run.path / RESULTS).write_text('{"winner": 3, "finals": [{}]}')
    with pytest.raises(InputError, match=r"results\.json': .*; put it back"):
        write_report(run)
    for arguments, said in (
        (["nowhere"], "error: run 'nowhere': no run is there"),
        ([str(run.path)], "results.json"),
        ([str(run.path), "--serve", "--out", "a.html"], "leave it out, or --serve"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["report", *arguments])
        assert end.value.code == 2
        assert said in capsys.readouterr().err


def test_the_command_writes_it_where_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path, trials=2)
    with pytest.raises(SystemExit) as end:
        main(["report", str(run.path), "--out", str(tmp_path / "a.html")])
    assert end.value.code == 0
    assert "report: " in capsys.readouterr().out
    assert (tmp_path / "a.html").read_text(encoding="utf-8").endswith("</html>")
    with pytest.raises(SystemExit) as end:
        main(["report", str(run.path), "--out", str(tmp_path / "none" / "a.html")])
    assert end.value.code == 2
    assert "cannot be written" in capsys.readouterr().err


def test_five_thousand_trials_are_a_page(tmp_path: Path) -> None:
    run = made(tmp_path)
    trials = read_study(run.settings(), run).get_trials()
    many = optuna.create_study(direction="maximize")
    many.add_trials([copy.deepcopy(trials[i % len(trials)]) for i in range(5000)])
    content = render(read(run, many))
    assert len(content.encode()) < 3_000_000
    assert "The first 500 of 5,000" in Page(content).text
    [front] = [chart for chart in charts(read(run, many)) if chart.key == "front"]
    assert front.csv.count("\n") == 5001
    assert front.figure["data"][0]["type"] == "scattergl"


def test_an_open_page_is_up_to_date(tmp_path: Path) -> None:
    run = made(tmp_path, trials=3, finished=False)
    told: list[str] = []
    said = threading.Event()

    def say(text: str) -> None:
        told.append(text)
        said.set()

    thread = threading.Thread(target=serve_report, args=(run, 0, say), daemon=True)
    thread.start()
    assert said.wait(30)
    address = told[0].split()[0]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)

    def ask(path: str) -> str:
        with urllib.request.urlopen(address + path, timeout=30) as answer_:
            return str(answer_.read().decode())

    before = ask("/state")
    assert "location.reload()" in ask("/")
    assert ask("/state") == before
    run.write(RESULTS, {FAILED: "the disk is full"})
    assert ask("/state") != before
    assert "the disk is full" in ask("/")
    with pytest.raises(InputError, match=r"--port \d+ cannot be listened on"):
        serve_report(run, int(address.rpartition(":")[2]), say)


def test_runs_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [made(tmp_path / name) for name in ("a", "b")]
    results = runs[1].read(RESULTS)
    for row in results["finals"]:  # all of the second search are ten points better
        row["test_accs"] = [value + 0.1 for value in row["test_accs"]]
    runs[1].write(RESULTS, results)
    unfinished = made(tmp_path / "c", trials=4, finished=False)
    hostile = unfinished.path.with_name("<script>alert(1)</script>".replace("/", "_"))
    unfinished.path.rename(hostile)
    paths = [*(str(run.path) for run in runs), str(hostile)]
    with pytest.raises(SystemExit) as end:
        main(["report", *paths])
    assert end.value.code == 0, capsys.readouterr().err
    content = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    page = Page(content)
    assert "+10.00 ± 2.27" in page.text
    assert "<script>alert(1)<_script>" in page.text
    assert [tag for tag, _ in page.tags].count("script") == 3
    assert page.text.count("not complete") >= 1
    [plot] = json.loads(packed(content, "data"))
    assert len(plot["figure"]["data"]) == 3
    loss = made(tmp_path / "loss", minimize("val_loss"))
    text = Page(render_comparison([read(runs[0]), read(loss)])).text
    assert "their winners are not compared" in text
    for arguments, said in (
        ([*paths, "--serve"], "--serve shows one run"),
        ([paths[0]] * 21, "21 runs are too many"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["report", *arguments])
        assert end.value.code == 2
        assert said in capsys.readouterr().err
