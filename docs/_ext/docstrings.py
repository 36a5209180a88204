"""Docstrings as reStructuredText: equations, tables, doctests and citations as they are written in the source.

The sources write docstrings as plain text: an equation is an indented block, a table has bars, a citation is a key of
docs/references.bib, and `Args:`, `Raises:` and the like head indented lists.

    >>> Converter({"amit1987"}, {"matterlearn.run.run"}).inline("see [amit1987] and `matterlearn.run.run`, *not* a_b")
    'see :cite:p:`amit1987` and :py:obj:`~matterlearn.run.run`, *not* a\\\\_b'
"""

import re
import textwrap
from collections.abc import Iterator

HEADS = ("Args", "Arguments", "Returns", "Yields", "Raises", "Attributes", "Example", "Examples", "Limits", "Units",
         "Source", "Sources", "Note", "Cost")  # fmt: skip
FIELDS = ("Args", "Arguments", "Raises", "Attributes")
TOKEN = re.compile(r"``(?P<literal>.+?)``|`(?P<code>[^`]+)`|(?<![\w*])\*(?P<emphasis>\w[^*\n]*?\w|\w)\*(?![\w*])"
                   r"|\[(?P<keys>[\w, ]+)\]|(?P<url>https?://[^\s)>]+)|(?P<word>[A-Za-z]\w{3,})", re.S)  # fmt: skip


class Converter:
    """Turns docstrings into reStructuredText, given the keys of the bibliography and the names of all objects."""

    def __init__(self, keys: set[str], objects: set[str]):
        self.keys, self.objects = keys, objects
        self.package = ""

    def convert(self, text: str, package: str = "") -> list[str]:
        """Lines of reStructuredText for a docstring, in which names may be relative to `package`."""
        self.package = package
        return list(self._blocks(textwrap.dedent(text).strip("\n").splitlines()))

    def inline(self, text: str) -> str:
        """A run of text with what has a meaning in it marked up, and all else escaped."""
        parts, end = [], 0
        for match in TOKEN.finditer(text):
            marked = self._token(match)
            if marked is not None:
                parts += [escape(text[end : match.start()]), self._apart(text, match, marked)]
                end = match.end()
        return "".join([*parts, escape(text[end:])])

    def _token(self, match: re.Match) -> str | None:
        kind, value = match.lastgroup, match[match.lastgroup or 0]
        if kind in ("literal", "code"):
            return self._code(re.sub(r"\s+", " ", value))
        if kind == "emphasis":
            return f"*{escape(value)}*"
        if kind == "url":
            return value
        keys = [key.strip() for key in value.split(",")]
        if not set(keys) <= self.keys or kind == "word" and not re.search(r"\d{4}", value) and value not in self.keys:
            return None
        return f":cite:p:`{','.join(keys)}`"

    @staticmethod
    def _apart(text: str, match: re.Match, marked: str) -> str:
        """Markup needs something that is not a letter on both sides."""
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        return ("\\ " if before.isalnum() or before in tuple("²³₀")
                else "") + marked + ("\\ " if after and not after.isspace() and after not in ".,;:!?)]}'\"/-–—" else "")

    def _code(self, value: str) -> str:
        parent = self.package.rpartition(".")[0]
        for name in (value, f"{self.package}.{value}", f"{parent}.{value}", f"matterlearn.{value}"):
            if name.removesuffix("()") in self.objects:
                return f":py:obj:`~{name.removesuffix('()')}`" if name == value else f":py:obj:`{value} <{name}>`"
        return f"``{value}``" if value.strip() and not value.endswith("\\") else escape(value)

    def _blocks(self, lines: list[str]) -> Iterator[str]:
        i = 0
        while i < len(lines):
            line = lines[i]
            if not line.strip():
                i += 1
                continue
            head = re.match(rf"({'|'.join(HEADS)}):\s*$", line)
            if head:
                end = next((j for j in range(i + 1, len(lines)) if lines[j].strip() and lines[j][0] != " "), len(lines))
                yield from self._section(head[1], lines[i + 1 : end])
            elif line.lstrip().startswith(">>>"):
                end = _until(lines, i, lambda text: not text.strip())
                yield from ["", ".. code-block:: pycon", "", *indent(textwrap.dedent("\n".join(lines[i:end]))), ""]
            elif line.startswith("|") and i + 1 < len(lines) and re.match(r"\|[\s:|-]+\|$", lines[i + 1]):
                end = _until(lines, i, lambda text: not text.startswith("|"))
                yield from self._table(lines[i:end])
            elif line.startswith("==="):
                end = _until(lines, i, lambda text: not text.strip())
                yield from self._equation([text for text in lines[i:end] if not text.startswith("===")])
            elif line.startswith("  "):
                end = next((j for j in range(i, len(lines)) if lines[j].strip() and lines[j][:2] != "  "), len(lines))
                code = i >= 2 and lines[i - 2].rstrip().endswith("::")
                yield from self._code_block(lines[i:end]) if code else self._equation(lines[i:end])
            elif re.match(r"([*-]|\d\.) ", line):
                end = _until(lines, i, lambda text: not text.strip())
                yield from ["", *self._items(lines[i:end]), ""]
            else:
                end = _until(lines, i, lambda text: not text.strip() or text.startswith("    ") or text[0] == "|")
                end = max(end, i + 1)
                text = "\n".join(line.strip() for line in lines[i:end])
                text = text[:-1] if text.endswith("::") else text
                yield from ["", *self.inline(text).splitlines(), ""]
            i = end

    def _section(self, head: str, body: list[str]) -> Iterator[str]:
        body = textwrap.dedent("\n".join(body)).strip("\n").splitlines()
        yield from ["", f".. rubric:: {head}", "   :heading-level: 6", ""]
        if head not in FIELDS:
            yield from self._blocks(body)
            return
        for item in _entries(body):
            name, found, text = item.partition(":")
            if found:
                yield from [f"* ``{name.strip()}``: {' '.join(self.inline(text.strip()).split())}"]
            else:
                yield from [f"* {' '.join(self.inline(item).split())}"]
        yield ""

    def _items(self, lines: list[str]) -> Iterator[str]:
        width = 2
        for line in lines:
            mark = re.match(r"([*-]|\d\.) ", line)
            if mark:
                width = len(mark[0])
                yield f"{mark[0]}{self.inline(line[width:])}"
            else:
                yield " " * width + self.inline(line.strip())

    def _equation(self, lines: list[str]) -> Iterator[str]:
        text = textwrap.dedent("\n".join(lines)).strip("\n")
        yield from ["", ".. parsed-literal::", "   :class: equation", "", *indent(self.inline(text)), ""]

    @staticmethod
    def _code_block(lines: list[str]) -> Iterator[str]:
        yield from ["", ".. code-block:: python", "", *indent(textwrap.dedent("\n".join(lines))), ""]

    def _table(self, lines: list[str]) -> Iterator[str]:
        head, _, *rows = [[self.inline(cell.strip()) for cell in line.strip().strip("|").split("|")] for line in lines]
        yield from ["", ".. list-table::", "   :header-rows: 1", ""]
        for row in [head, *rows]:
            cells = (row + [""] * len(head))[: len(head)]
            yield from [f"   {'*' if n == 0 else ' '} - {cell}" for n, cell in enumerate(cells)]
        yield ""


def escape(text: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([\\*_|`])", r"\\\1", text)


def indent(text: str, by: int = 3) -> list[str]:
    """Lines, indented."""
    return [" " * by + line if line.strip() else "" for line in text.splitlines()]


def _until(lines: list[str], start: int, stop) -> int:
    return next((j for j in range(start, len(lines)) if stop(lines[j])), len(lines))


def _entries(lines: list[str]) -> list[str]:
    """Entries of an indented list; what is indented further belongs to the entry above."""
    entries: list[str] = []
    for line in lines:
        if line[:1].strip() or not entries:
            entries.append(line)
        else:
            entries[-1] += " " + line.strip()
    return [entry for entry in entries if entry.strip()]
