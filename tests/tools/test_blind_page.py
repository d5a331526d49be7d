"""The page for a blind look: every picture twice, nothing that tells whose, within its limit."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
import torch
from scripts import load_script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("train/blind_page.py")


def test_every_picture_is_there_twice_and_the_page_stands_alone(script: ModuleType) -> None:
    rounds = [(f"picture {i}", torch.rand(1, 3, 36, 64), torch.rand(1, 3, 36, 64)) for i in range(3)]
    text = script.page(("old", "new"), rounds)
    assert len(re.findall("data:image/jpeg;base64,", text)) == 6
    assert '["old", "new"]' in text and "http" not in text and "$" not in text


def test_the_page_keeps_its_limit(script: ModuleType) -> None:
    rounds = [("noise", torch.rand(1, 3, 540, 960), torch.rand(1, 3, 540, 960))]
    assert (
        len(script.page(("old", "new"), rounds, 200_000))
        <= 200_000
        < len(script.page(("old", "new"), rounds))
    )
