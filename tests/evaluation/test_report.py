"""The HTML page: self-contained, complete, and honest about what is missing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from make_frames import panning, save

from scenivid.evaluation.flicker import FlickerSettings, evaluate_flicker
from scenivid.evaluation.pictures import hottest_box, take_pictures
from scenivid.evaluation.plots import line_chart
from scenivid.evaluation.report import write_report
from scenivid.evaluation.results import FlickerReport

pytest.importorskip("jinja2")
pytest.importorskip("PIL")


@pytest.fixture
def report(tmp_path: Path) -> FlickerReport:
    """A clip whose per-frame result flickers in its lower right corner only."""
    source = panning(12, height=72, width=96)
    wild = source.clone()
    wild[..., 48:, 72:] += 0.2 * (torch.arange(12) % 2).reshape(-1, 1, 1, 1)
    calm = 0.5 * source + 0.5 * wild
    paths = [save(tmp_path / name, frames) for name, frames in (("s&s", source), ("p", wild), ("o", calm))]
    settings = FlickerSettings(device="cpu", perceptual=False, max_frames=11)
    return evaluate_flicker(paths[0], paths[2], paths[1], settings)


class _Page(HTMLParser):
    """Collects addresses and checks that tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "hr", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("line", "polyline"):
            return
        while self.open and self.open[-1] in ("line", "polyline"):
            self.open.pop()
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_carries_every_figure(report: FlickerReport, tmp_path: Path) -> None:
    page = write_report(report, tmp_path / "out" / "deep")
    text = page.read_text(encoding="utf-8")
    parsed = _Page()
    parsed.feed(text)
    assert parsed.addresses and all(address.startswith("data:image/") for address in parsed.addresses)
    assert not re.search(r"<script|https?://(?!www\.w3\.org/2000/svg)|@import|url\(", text)
    for row in report.table():
        assert f">{row[0].strip()}<" in text.replace("&#39;", "'"), row[0]
        assert row[3] in text
    assert "s&amp;s" in text and "n/a (weights not available)" in text
    data = json.loads((page.parent / "flicker.json").read_text())
    assert data["excess_removed"] == pytest.approx(report.value("excess_removed"))


def test_pictures_show_where_and_when_it_flickers(report: FlickerReport) -> None:
    box = hottest_box(report)
    assert box.top + box.height > 60 and box.left + box.width > 90
    pictures = take_pictures(report)
    assert len(pictures.strips) == len(pictures.slices) == 3
    assert [len(strip) for strip in pictures.strips] == [8, 8, 8] and max(pictures.times) <= 10
    assert pictures.slices[0].shape == (11, 96, 3)
    assert pictures.line > 44
    source, wild, _ = (slice_.float()[:, 80:].mean(dim=(1, 2)) for slice_ in pictures.slices)
    assert float(wild.diff().abs().mean()) > 20 + float(source.diff().abs().mean())


def test_a_chart_breaks_its_line_at_a_gap_and_turns_logarithmic_when_curves_lie_apart() -> None:
    chart = line_chart({"output": [1.0, 2.0, None, 2.0, 1.0]}, "px", "a <b>")
    assert chart.count("<polyline") == 2 and "a &lt;b&gt;" in chart
    chart = line_chart({"source": [0.001] * 3, "output": [1.0] * 3}, "", "t")
    assert ">0.001<" in chart and ">0.01<" in chart
    assert "nan" not in line_chart({"output": [0.0, 0.0]}, "", "t")
    assert line_chart({"output": [None]}, "", "t") == ""
