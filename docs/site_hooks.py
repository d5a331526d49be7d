"""What mkdocs does differently from the repository: links to files outside docs/ become plain text."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, page: Any, **others: Any) -> str:
    """The page without links that lead out of the site."""
    if "/" in page.file.src_uri:  # pages in a folder may name those above them
        return markdown
    return _OUTSIDE.sub(r"\1", markdown)
