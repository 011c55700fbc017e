"""Pages in a real browser, Debian's Chromium: drawn, quiet, without a network, and accessible."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from made_runs import made
from playwright.sync_api import Browser, sync_playwright

from se_nas import maximize, minimize
from se_nas.search.report.comparison import render_comparison
from se_nas.search.report.contents import read
from se_nas.search.report.page import write_page, write_report

CHROMIUM = shutil.which("chromium")


def starts() -> bool:
    if CHROMIUM is None:
        return False
    return subprocess.run([CHROMIUM, "--version"], capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not starts(), reason="there is no chromium here that starts")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    whole = made(folder / "whole", reason="<b>no</b>", ends=("complete", "stopped_early", "error"))
    several = made(folder / "several", maximize("val_acc"), minimize("macs"))
    cut = made(folder / "cut", trials=4, finished=False)
    found = {name: write_report(run) for name, run in (("whole", whole), ("several", several))}
    found["cut"] = write_report(cut)
    found["comparison"] = folder / "comparison.html"
    write_page(found["comparison"], render_comparison([read(whole), read(cut)]))
    return found


def opened(browser: Browser, path: Path, width: int) -> tuple[Any, list[str], list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function("document.body.dataset.drawn === 'yes'", timeout=120_000)
    return page, said, [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


@pytest.mark.parametrize("name", ["whole", "several", "cut", "comparison"])
def test_a_page_is_drawn_without_a_complaint_or_a_network(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    for width in (1200, 360):
        page, said, asked = opened(browser, pages[name], width)
        assert said == []
        assert asked == []
        assert page.locator(".js-plotly-plot").count() == page.locator(".plot").count() > 0
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.close()


@pytest.mark.parametrize("name", ["whole", "several", "comparison"])
def test_axe_finds_nothing(browser: Browser, pages: dict[str, Path], name: str) -> None:
    page, *_ = opened(browser, pages[name], 1200)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    page.close()


def test_tables_sort_and_filter_from_the_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    page, *_ = opened(browser, pages["whole"], 1200)
    rows = page.locator("#all tbody tr")
    head = page.locator("#all th").nth(2)
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    values = [float(row.locator("td").nth(2).inner_text()) for row in rows.all()]
    assert values == sorted(values)
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    page.locator("#filter").fill("stopped early")
    shown = [row for row in rows.all() if row.is_visible()]
    assert 0 < len(shown) < rows.count()
    assert all("stopped early" in row.inner_text() for row in shown)
    page.close()


def test_the_numbers_of_a_plot_are_saved(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    page, *_ = opened(browser, pages["whole"], 1200)
    with page.expect_download() as download:
        page.locator("button.save").first.click()
    download.value.save_as(tmp_path / "front.csv")
    assert download.value.suggested_filename == "front.csv"
    lines = (tmp_path / "front.csv").read_text().splitlines()
    assert lines[0].startswith("number,name,end,params")
    assert len(lines) > 10
    page.close()


def test_paper_has_all_of_it(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    page, *_ = opened(browser, pages["whole"], 1200)
    content = page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert content[:5] == b"%PDF-"
    assert page.locator("details[open]").count() == page.locator("details").count()
    page.close()
