"""Pages of the API, read from the source without importing it.

Reading keeps signatures as they are written, `Float[Array, "replica step"]` and all, and needs no jax. Every public
module gets a page with its docstring, its classes and its functions; every package a page that lists its modules.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from docstrings import Converter, indent

PACKAGES = {
    "matterlearn": "Running, results, sweeps, figures",
    "matterlearn.core": "What the slots have in common",
    "matterlearn.systems": "Energies",
    "matterlearn.dynamics": "Fast dynamics",
    "matterlearn.rules": "Learning rules",
    "matterlearn.tasks": "Tasks",
    "matterlearn.observables": "Measurements",
    "matterlearn.design": "Estimators of gradients",
    "matterlearn.diffusion": "Score diffusion: processes, scores, steps",
    "matterlearn.theory": "Closed forms, quadratures, enumeration",
}
SKIPPED = ("matterlearn.templates", "matterlearn._scenarios")
ABOUT = {"matterlearn.testing": "The conformance battery, for systems of your own."}


@dataclass(frozen=True)
class Module:
    """A module as it is written: dotted name, tree, and the full names of what it imports from the package."""

    name: str
    tree: ast.Module
    imported: dict[str, str]
    known: set[str] = field(default_factory=set)
    elsewhere: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """First paragraph of the docstring."""
        return " ".join((ast.get_docstring(self.tree) or "").split("\n\n")[0].split())


def modules(root: Path) -> list[Module]:
    """All public modules below a package, sorted."""
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        name = ".".join(parts)
        if any(part.startswith("_") for part in parts) or name.startswith(SKIPPED):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.append(Module(name, tree, _imports(tree)))
    return found


def objects(found: list[Module]) -> set[str]:
    """Full names of all that will have an entry."""
    names = {module.name for module in found}
    for module in found:
        for node in _public(module.tree.body):
            names.add(f"{module.name}.{node.name}")
            if isinstance(node, ast.ClassDef):
                names |= {f"{module.name}.{node.name}.{part.name}" for part in _public(node.body)}
    return names


def pages(root: Path, keys: set[str]) -> dict[str, str]:
    """Text of every page by its name without ending."""
    found = modules(root)
    known = objects(found)
    elsewhere = {f"{m.name}.{k}": v for m in found for k, v in m.imported.items()}  # what modules hand on
    found = [replace(m, imported={k: v for k, v in m.imported.items() if v in known}, known=known, elsewhere=elsewhere)
             for m in found]  # fmt: skip
    converter = Converter(keys, known)
    texts = {module.name: "\n".join(_module(module, converter)) for module in found if module.name not in PACKAGES}
    for package, title in PACKAGES.items():
        own = [m for m in found if m.name not in PACKAGES and _package_of(m.name) == package]
        module = next(m for m in found if m.name == package)
        texts[package] = "\n".join(_package(module, title, own, converter))
    return texts | {"index": _index()}


def _index() -> str:
    lines = ["API", "===", "", "Read from the sources: signatures as they are written, with the shapes of arrays. "
             "An axis that two arguments share has one name.", "", ".. list-table::", "   :class: modules",
             "   :widths: 30 70",
             ""]  # fmt: skip
    for package, title in PACKAGES.items():
        lines += [f"   * - :py:mod:`{package}`", f"     - {title}"]
    return "\n".join([*lines, "", ".. toctree::", "   :hidden:", "", *(f"   {package}" for package in PACKAGES), ""])


def _package_of(name: str) -> str:
    package = ".".join(name.split(".")[:2])
    return package if package in PACKAGES else "matterlearn"


def _package(module: Module, title: str, own: list[Module], converter: Converter) -> Iterator[str]:
    yield from [f".. py:module:: {module.name}", "", title, "=" * len(title), "", f"``{module.name}``", ""]
    yield from converter.convert(ast.get_docstring(module.tree) or "", module.name)
    yield from ["", ".. list-table::", "   :class: modules", "   :widths: 30 70", ""]
    for m in own:
        yield f"   * - :py:mod:`{m.name.removeprefix(module.name + '.')} <{m.name}>`"
        yield f"     - {converter.inline(ABOUT.get(m.name, m.summary))}"
    yield from ["", ".. toctree::", "   :hidden:", ""]
    yield from [f"   {m.name.removeprefix(module.name + '.')} <{m.name}>" for m in own]
    yield ""


def _module(module: Module, converter: Converter) -> Iterator[str]:
    short = module.name.removeprefix("matterlearn.")
    yield from [f".. py:module:: {module.name}", "", short, "=" * len(short), ""]
    yield from converter.convert(ast.get_docstring(module.tree) or "", module.name)
    for node in _public(module.tree.body):
        yield ""
        yield from _class(node, module, converter) if isinstance(node, ast.ClassDef) else _function(
            node, "function", module, converter)  # fmt: skip


def _class(node: ast.ClassDef, module: Module, converter: Converter) -> Iterator[str]:
    yield from [f".. py:class:: {node.name}", ""]
    bases = [ast.unparse(_full(base, module)) for base in node.bases]
    if bases:
        links = [f":py:class:`{base}`" if base.startswith("~") else f"``{base}``" for base in bases]
        yield from ["   Bases: " + ", ".join(links), ""]
    yield from indent("\n".join(converter.convert(ast.get_docstring(node) or "", module.name)))
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id[0] != "_":
            text = ast.unparse(_full(_bare(part.annotation), module))
            yield from ["", f"   .. py:attribute:: {part.target.id}"]
            yield from [] if text.startswith("ClassVar") else [f"      :type: {text}"]
    for part in _public(node.body):
        if isinstance(part, ast.ClassDef):
            continue
        decorators = {ast.unparse(d).rpartition(".")[2] for d in part.decorator_list}
        kind = "property" if decorators & {"property", "cached_property"} else "method"
        flags = [flag for flag in ("classmethod", "staticmethod") if flag in decorators]
        flags += ["abstractmethod"] if "abstractmethod" in decorators else []
        yield ""
        yield from indent("\n".join(_function(part, kind, module, converter, flags)))


def _function(node, kind: str, module: Module, converter: Converter, flags=()) -> Iterator[str]:
    if kind == "property":
        yield f".. py:property:: {node.name}"
        if node.returns is not None:
            yield f"   :type: {ast.unparse(_full(node.returns, module))}"
    else:
        arguments = _arguments(node.args, module, drop_self=kind == "method" and "staticmethod" not in flags)
        returns = f" -> {ast.unparse(_full(node.returns, module))}" if node.returns is not None else ""
        yield f".. py:{kind}:: {node.name}({arguments}){returns}".replace("\n", " ")
    yield from [f"   :{flag}:" for flag in flags]
    yield ""
    yield from indent("\n".join(converter.convert(ast.get_docstring(node) or "", module.name)))


def _arguments(arguments: ast.arguments, module: Module, drop_self: bool) -> str:
    arguments = ast.parse(f"def f({ast.unparse(arguments)}): pass").body[0].args  # pyright: ignore
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
        if argument is not None and argument.annotation is not None:
            argument.annotation = _full(argument.annotation, module)
    if drop_self:
        (arguments.posonlyargs or arguments.args)[:1] = []
    return ast.unparse(arguments)


def _full(annotation: ast.expr, module: Module) -> ast.expr:
    """The annotation with names that come from the package spelled out, to be linked; shown short."""
    copied = ast.parse(ast.unparse(annotation), mode="eval").body
    return ast.fix_missing_locations(_Names(module).visit(copied))


def _bare(annotation: ast.expr) -> ast.expr:
    """The type that is annotated, without the metadata of `Annotated`."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Annotated":
        return annotation.slice.elts[0] if isinstance(annotation.slice, ast.Tuple) else annotation
    return annotation


class _Names(ast.NodeTransformer):
    def __init__(self, module: Module):
        self.module = module

    def visit_Name(self, node: ast.Name):  # noqa: N802
        name = self.module.imported.get(node.id)
        return ast.parse(f"~{name}", mode="eval").body if name else node

    def visit_Call(self, node: ast.Call):  # noqa: N802
        return node  # a type that is computed has no entry to link to

    def visit_Attribute(self, node: ast.Attribute):  # noqa: N802
        head, _, rest = ast.unparse(node).partition(".")
        full = f"{self.module.imported.get(head)}.{rest}"
        full = self.module.elsewhere.get(full, full)
        return ast.parse(f"~{full}", mode="eval").body if full in self.module.known else node


def _imports(tree: ast.Module) -> dict[str, str]:
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("matterlearn"):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _public(body: list[ast.stmt]) -> list:
    """Classes and functions that are no one's private business, each name once, in the order of the source."""
    nodes: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            not node.name.startswith("_") or node.name == "__call__" and ast.get_docstring(node)
        ):
            nodes.setdefault(node.name, node)
    return list(nodes.values())
