"""Pages of HTML that need nothing but themselves.

Pictures are data URIs, there is no script, and the one style sheet is named by its hash in the
page's own Content-Security-Policy. Plots are drawn twice, for light and for dark screens.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from data.figures import png_of, theme
from search.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A digit (28, 28) uint8, plain text in place of it or beside it, and its caption in HTML.
Tile = tuple[np.ndarray, str, str]

STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --faint: #5c5c5c; --paper: #fff; --rim: #ccc;
  --shade: 213, 94, 0; --right: 0, 114, 178; }
@media screen and (prefers-color-scheme: dark) { :root { --text: #ddd; --faint: #a0a0a0;
  --paper: #16181d; --rim: #444; --shade: 230, 130, 50; --right: 86, 180, 233; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
p.note, figcaption, caption { color: var(--faint); font-size: .9rem; text-align: left; }
caption { padding-bottom: .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border: 1px solid var(--rim); text-align: left; }
.number { text-align: right; }
figure { margin: 1rem 0; } picture img { max-width: 100%; height: auto; }
img.digit { width: 56px; height: 56px; image-rendering: pixelated; background: #fff;
  border: 1px solid var(--rim); display: block; margin: 0 auto; }
.digits { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0; padding: 0; list-style: none; }
td, th, li { overflow-wrap: anywhere; }
.digits li { font-size: .8rem; text-align: center; break-inside: avoid; }
.row { display: flex; gap: 1rem; align-items: start; margin: .6rem 0; break-inside: avoid; }
.row .digits { gap: .6rem .2rem; } .row li { min-width: 4.3rem; }
.row .digits:first-child li { min-width: 5.4rem; }
.differs { color: rgb(var(--shade)); font-weight: bold; }
.diagonal { background: rgba(var(--right), .18); }
.s1 { background: rgba(var(--shade), .12); } .s2 { background: rgba(var(--shade), .24); }
.s3 { background: rgba(var(--shade), .36); } .s4 { background: rgba(var(--shade), .48); }
.s5 { background: rgba(var(--shade), .6); } .s6 { background: rgba(var(--shade), .72); }
@media print { :root { color-scheme: light; } body { max-width: none; margin: 0; font-size: 11pt; }
  a { color: inherit; } h2, p.note { break-after: avoid; } figure, table { break-inside: avoid; }
  .wide { overflow: visible; } * { print-color-adjust: exact; } }
"""
Rows = Iterable[Sequence[Any]]


def page(title: str, body: str) -> str:
    """A whole page, whose title is plain text and whose body is HTML."""
    hashed = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{hashed}'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def note(text: str) -> str:
    """A paragraph of plain text in small print."""
    return f'<p class="note">{escape(text)}</p>\n'


def marked(text: str, differs: bool) -> str:
    """A plain text as HTML, in another colour where it differs from what was to be."""
    shown = escape(printable(text))
    return f'<span class="differs">{shown}</span>' if differs else shown


def table(header: Sequence[str], rows: Rows) -> str:
    """A table of plain texts; what looks like a number is put to the right."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    top = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    text = printable(str(value))
    number = (
        text[:1].isdecimal() and text.rstrip(" %kMB").replace(",", "").replace(".", "").isdigit()
    )
    return f'<td class="number">{text}</td>' if number else f"<td>{escape(text)}</td>"


def digits(items: Iterable[Tile]) -> str:
    """Digits side by side, in HTML."""
    tiles = "".join(
        f'<li><img class="digit" src="{_data_uri(_tile(image))}" alt="{escape(alt)}"'
        f' title="{escape(alt)}">{caption}</li>'
        for image, alt, caption in items
    )
    return f'<ul class="digits">{tiles}</ul>'


def _tile(image: np.ndarray) -> bytes:
    """A digit as a small PNG, dark on white."""
    file = io.BytesIO()
    Image.fromarray(255 - np.asarray(image)).save(file, "PNG", optimize=True)
    return file.getvalue()


def plot(draw: Callable[[], Figure], caption: str) -> str:
    """A figure for light and for dark screens; the caption says what it shows."""
    drawn = []
    for dark in (False, True):
        with theme(dark=dark):
            drawn.append(_data_uri(png_of(draw())))
    light, dim = drawn
    return (
        f'<figure><picture><source srcset="{dim}"'
        ' media="screen and (prefers-color-scheme: dark)">'
        f'<img src="{light}" alt="{escape(caption)}"></picture>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
