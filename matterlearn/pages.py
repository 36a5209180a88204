"""What every page is made of: one HTML file with its pictures inside, nothing fetched, light or dark as the reader is.

Whatever came from a scenario has to be escaped; `cell` and `paragraphs` do so.

Example:
    >>> paragraphs("a < b\\n\\nand c")
    '<p>a &lt; b</p>\\n<p>and c</p>'
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #5a6572; --line: #d5dbe1;
  --back: #ffffff; --card: #f5f7f9; --good: #00664a; --bad: #b00020; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --soft: #a3afbb; --line: #3a444e;
  --back: #14181c; --card: #1d2329; --good: #58d0a5; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--back);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; text-wrap: balance; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
.soft, figcaption { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .3rem 1.1rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; color: var(--soft); }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.pass { color: var(--good); font-weight: 700; }
.fail { color: var(--bad); font-weight: 700; }
figure { margin: 0 0 1.8rem; }
figure img { display: block; max-width: 100%; background: #fff; border-radius: 6px;
  border: 1px solid var(--line); padding: .5rem; }
figcaption { margin-top: .4rem; font-size: .92rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .9rem;
  overflow-x: auto; font: .85rem/1.45 ui-monospace, monospace; }
"""


def document(title: str, sections: Iterable[str]) -> str:
    """The whole page."""
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def section(title: str, body: str) -> str:
    """A heading with what is below it; nothing if that is nothing."""
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>" if body else ""


def paragraphs(text: str) -> str:
    """Plain text as HTML paragraphs, split at empty lines."""
    blocks = [block.strip() for block in text.split("\n\n")]
    return "\n".join(f"<p>{escape(block)}</p>" for block in blocks if block)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; cells are taken as HTML, so escape what came from outside."""
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "\n".join("<tr>" + "".join(row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table>\n<tr>{top}</tr>\n{body}\n</table></div>'


def cell(text: Any, kind: str = "") -> str:
    """A cell of a table, escaped; its kind is `number`, `pass` or `fail`."""
    return f'<td class="{kind}">{escape(str(text))}</td>' if kind else f"<td>{escape(str(text))}</td>"


def picture(data: bytes, name: str, caption: str, kind: str = "png") -> str:
    """A figure with its caption, the image inside the page."""
    code = base64.b64encode(data).decode("ascii")
    return (
        f'<figure><img alt="{escape(name)}" src="data:image/{kind};base64,{code}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def picture_file(path: Path, caption: str) -> str:
    """The picture in a file."""
    return picture(path.read_bytes(), path.stem, caption, path.suffix.removeprefix("."))
