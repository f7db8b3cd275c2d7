"""What a file is by its first bytes, where it is not what its name says."""

from __future__ import annotations

from netruntime.errors import shown

HEAD = 64
"""How many bytes are enough to say."""
_KINDS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file: fetch that with `git lfs pull`"),
    (b"<!doctype", "a web page, not the file that it links to"),
    (b"<html", "a web page, not the file that it links to"),
    (b"PK\x03\x04", "a zip archive, as .npz files and .pt files of PyTorch are"),
    (b"\x93NUMPY", "a .npy array"),
    (b"\x80\x02", "a pickle, as old .pt files of PyTorch are"),
    (b"\x1f\x8b", "compressed by gzip: decompress it first"),
    (b"\x89HDF", "an HDF5 file, as .h5 files of Keras are"),
)


def kind_of(head: bytes) -> str | None:
    """What a file is that begins with these bytes: `text, which begins ...`; None where that is not known."""
    start = head.lstrip().lower() if head[:1] in b" \t\r\n<" else head
    kind = next((kind for first, kind in _KINDS if start.startswith(first)), None)
    if kind is not None or not head:
        return kind
    try:
        text = head.decode()
    except UnicodeDecodeError as wrong:
        if wrong.start < len(head) - 3:  # not a character that is cut off
            return None
        text = head[: wrong.start].decode()
    if not all(c.isprintable() or c in "\t\r\n" for c in text):
        return None
    return f"text, which begins {shown(text.strip().partition(chr(10))[0][:30].strip())}"
