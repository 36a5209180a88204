"""Equations as MathML, which browsers draw themselves: no script, no font, no network."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict:
    """Registers the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _mathml(node: nodes.Node, display: str) -> str:
    text = node.astext()
    try:
        return convert(text, display=display)
    except Exception as error:  # the converter raises what it likes
        logger.warning("equation cannot be drawn (%s): %s", error, text, location=node)
        return f"<code>{text}</code>"


def _inline(self, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{_mathml(node, "inline")}</span>')
    raise nodes.SkipNode


def _display(self, node: nodes.math_block) -> None:
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    ids = "".join(f' id="{name}"' for name in node["ids"][:1])
    self.body.append(f'<div class="math display"{ids}>{_mathml(node, "block")}{number}</div>\n')
    raise nodes.SkipNode
