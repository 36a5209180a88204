"""Pages that are made, not written: the API, the gallery, the kinds, the equations. Only what changes is written."""

import re
from pathlib import Path

import api_pages
import equations_page
import gallery_pages
import kinds_page


def write(docs: Path) -> None:
    """All generated pages below docs."""
    keys = bibliography(docs)
    pages = {f"api/{name}.rst": text for name, text in api_pages.pages(docs.parent / "matterlearn", keys).items()}
    pages |= {f"gallery/{name}.md": text for name, text in gallery_pages.pages(docs, keys).items()}
    pages |= {"kinds.md": kinds_page.page(), "limits-of-kinds.md": kinds_page.limits()}
    pages |= {"equations.md": equations_page.page(docs / "equations.yaml")}
    for name, text in pages.items():
        update(docs / name, text)
    for folder, ending in (("api", "rst"), ("gallery", "md")):
        for file in (docs / folder).glob(f"*.{ending}"):
            if f"{folder}/{file.name}" not in pages:
                file.unlink()


def update(file: Path, text: str) -> None:
    """Writes a file if it is not there or has other text, so that what has not changed is not read again."""
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")


def bibliography(docs: Path) -> set[str]:
    """Keys of docs/references.bib."""
    return set(re.findall(r"^@\w+\{([^,\s]+),", (docs / "references.bib").read_text(encoding="utf-8"), re.M))


def literature(docs: Path) -> str:
    """References, and software that is not among them."""
    references = (docs / "references.bib").read_text(encoding="utf-8")
    entries = re.split(r"^(?=@)", (docs / "software.bib").read_text(encoding="utf-8"), flags=re.M)
    keys = bibliography(docs)
    return references + "\n" + "".join(text for text in entries if not keys & set(re.findall(r"^@\w+\{([^,]+)", text)))
