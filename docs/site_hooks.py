"""MkDocs hooks: README.md and CONTRIBUTING.md as pages, and links to files that the site does not carry."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md"}
"""Pages of the site that are files of the repository's top folder."""

_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)|(?<=src=\")(?!\w+:)([^\"]+)")
_FENCE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie outside the docs folder."""
    from mkdocs.structure.files import File

    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    folder = "" if page.file.src_uri in PAGES else "docs"
    return relinked(markdown, folder, config["repo_url"])


def relinked(markdown: str, folder: str, repository: str) -> str:
    """The text of a page that was written in `folder`, with its links valid on the site; code is left alone.

    A link to a page or an image stays relative. A link to any other file of the repository becomes its
    address there. A link to nothing is left as it is, and the strict build reports it.
    """
    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(lambda m: _target(m[0], folder, repository), part) for part in parts[::2]]
    return "".join(parts)


def _target(link: str, folder: str, repository: str) -> str:
    path = posixpath.normpath(posixpath.join(folder, link))
    for page, source in PAGES.items():
        if path == source:
            return page
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if not (ROOT / path).exists():
        return link
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{repository}/{kind}/main/{path}"
