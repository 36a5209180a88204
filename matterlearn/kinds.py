"""Finding kinds: which there are, and their `Config`, with or without importing jax.

A kind is a module of one of the family folders (no leading underscore) that holds `class Config`,
derived from `matterlearn.spec.Spec`, next to the jax code it builds. Modules of other packages are
kinds too: `kind: "package.module:Config"`; their Config then carries that whole string as `kind`.
A scenario is data and runs no code that its reader did not choose: such a package has to be allowed,
with `matterlearn.allow("package")`, `--allow package`, or MATTERLEARN_ALLOW=package, which is where
the other two write it, so that processes started from this one allow the same.

`load_kind` imports the module. `config_class` must not, because checking a scenario has to work
without jax; it *reads* the module instead:

* Only the top-level statements that `Config` needs, found by following names from its source, are
  executed: classes, functions, assignments, imports. The rest of the file is not run at all.
* An import is carried out if it is light: the standard library, pydantic, annotated_types, typing
  extensions, numpy, `matterlearn.spec`, `matterlearn.errors`. Names imported from other modules of
  the same package are read from those modules in the same way. Anything else (jax, equinox, the
  abstract classes) is left out.
* The method `build` is replaced by one that refuses, and annotations of functions are dropped
  (but for pydantic's computed fields), so both may speak of jax freely. So may the inside of any
  method that is not called during checking.
* What remains must not touch a heavy import: base classes, field annotations, defaults,
  validators, `check`, and what they call. Field annotations must not be strings.

Line numbers are those of the file, so a traceback from a light class points at the real line.
"""

import ast
import functools
import importlib
import os
import pkgutil
import sys
import warnings
from pathlib import Path
from typing import Any, Literal

from matterlearn.errors import InputError, did_you_mean

FAMILIES = ("systems", "dynamics", "rules", "tasks", "observables", "design")
LIGHT_PACKAGES = frozenset(sys.stdlib_module_names) | {
    "annotated_types", "numpy", "pydantic", "pydantic_core", "typing_extensions",
}  # fmt: skip
ALLOWED = "MATTERLEARN_ALLOW"  # environment variable: packages with kinds of their own, separated by commas
LIGHT_MODULES = {"matterlearn.spec", "matterlearn.errors"}

_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
if sys.version_info >= (3, 12):
    _ASSIGNMENTS += (ast.TypeAlias,)
_REFUSAL = "raise RuntimeError('read without its physics; use scenario.realise() before build')"


def allow(*packages: str) -> None:
    """Lets scenarios name kinds of these packages or modules; their code then runs when a scenario is read.

    >>> getfixture("monkeypatch").setenv("MATTERLEARN_ALLOW", "")  # so that this example changes nothing
    >>> allow("my_materials.wells")
    >>> allowed()
    ('my_materials.wells',)

    Raises:
        InputError: if this is not the name of a module.
    """
    for package in packages:
        if not all(part.isidentifier() for part in package.split(".")):
            raise InputError(f"{package[:60]!r} is not the name of a package or module, such as my_package")
    os.environ[ALLOWED] = ",".join(dict.fromkeys((*allowed(), *packages)))


def allowed() -> tuple[str, ...]:
    """Packages whose kinds scenarios may name."""
    return tuple(filter(None, (name.strip() for name in os.environ.get(ALLOWED, "").split(","))))


def kinds(family: str) -> list[str]:
    """Names of the kinds of a family, sorted, without importing any."""
    if family not in FAMILIES:
        raise InputError(f"unknown family {family!r}{did_you_mean(family, FAMILIES)}")
    folder = Path(__file__).parent / family
    return list(_modules(str(folder), folder.stat().st_mtime_ns))


@functools.lru_cache(maxsize=32)
def _modules(folder: str, _mtime: int) -> tuple[str, ...]:
    found = pkgutil.iter_modules([folder])
    return tuple(sorted(module.name for module in found if not module.name.startswith("_")))


def config_class(family: str, kind: str) -> type:
    """The kind's Config, read without importing its module (hence without jax)."""
    module, name = reference(family, kind)
    path = locate(module)
    return _light_class(module, name, str(path), path.stat().st_mtime_ns, _outside(kind))


def load_kind(family: str, kind: str) -> type:
    """The kind's real Config: imports its module, and jax with it."""
    module, name = reference(family, kind)
    try:
        config = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"kind {kind!r} cannot be loaded: {error}") from error
    return _named(config, _outside(kind))


def describe(family: str, kind: str) -> str:
    """First line of the docstring of the kind's module."""
    path = locate(reference(family, kind)[0])
    docstring = ast.get_docstring(ast.parse(path.read_bytes(), str(path))) or ""
    return docstring.partition("\n")[0]


def _outside(kind: str) -> str | None:
    return kind if ":" in kind else None


def reference(family: str, kind: str) -> tuple[str, str]:
    """Module and class a kind stands for; raises `InputError` for unknown ones."""
    if not isinstance(kind, str):
        raise InputError(f"a kind is a word, not {str(kind)[:40]!r}")
    if ":" in kind:
        module, _, name = kind.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), name)):
            raise InputError(f"kind {kind[:60]!r} should look like 'package.module:Config'")
        if not any(module == trusted or module.startswith(f"{trusted}.") for trusted in allowed()):
            raise InputError(
                f"kind {kind[:60]!r} is code from outside matterlearn; if you trust it, allow it with"
                f" --allow {module[:60]}, {ALLOWED}={module[:60]} or matterlearn.allow({module[:60]!r})"
            )
        return module, name
    known = kinds(family)
    if kind not in known:
        raise InputError(f"unknown kind {kind[:60]!r}{did_you_mean(kind, known)}")
    return f"matterlearn.{family}.{kind}", "Config"


def locate(module: str) -> Path:
    """Source file of a module, found through the import system without importing its parents."""
    path, spec = None, None
    for end in range(1, module.count(".") + 2):
        part = ".".join(module.split(".")[:end])
        try:
            specs = (f.find_spec(part, path) for f in sys.meta_path if hasattr(f, "find_spec"))
            spec = next(filter(None, specs), None)
        except (ImportError, ValueError) as error:
            raise InputError(f"module {module!r} cannot be found: {error}") from None
        if spec is None:
            raise InputError(f"there is no module {part!r}; is its package installed?")
        path = spec.submodule_search_locations or []
    if not spec.origin or not spec.origin.endswith(".py"):  # pyright: ignore[reportOptionalMemberAccess]
        raise InputError(f"module {module!r} has no Python source to read")
    return Path(spec.origin)  # pyright: ignore[reportOptionalMemberAccess]


@functools.lru_cache(maxsize=512)
def _light_class(module: str, name: str, path: str, _mtime: int, outside: str | None) -> type:
    namespace, failures = _light_names(module, {name}, ())
    if name in failures:
        line, error = failures[name]
        raise InputError(
            f"{path}:{line}: {name} cannot be read without jax: {error}; keep heavy imports out"
            " of its fields, defaults and validators"
        )
    if not hasattr(namespace.get(name), "model_validate"):
        raise InputError(f"{path} defines no 'class {name}(Spec)'")
    return _named(namespace[name], outside)


def _named(config: Any, outside: str | None) -> type:
    """An outside Config answers to the whole reference, so scenarios survive a round trip."""
    return config if outside is None else _renamed(config, outside)


@functools.lru_cache(maxsize=512)
def _renamed(config: Any, outside: str) -> type:
    import pydantic

    return pydantic.create_model(  # pyright: ignore[reportCallIssue]
        config.__name__, __base__=config, __module__=config.__module__,
        kind=(Literal[outside], outside),  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def _light_names(module: str, wanted: set[str], active: tuple) -> tuple[dict, dict]:
    """Executes what `wanted` needs from a module; returns its names and the failures by name."""
    path = locate(module)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    bindings = _bindings(tree)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    namespace: dict[str, Any] = {"__name__": module, "__file__": str(path)}
    failures: dict[str, tuple[int, str]] = {}
    for statement in _needed(tree, bindings, wanted):
        bound = _bound(statement)
        try:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                _light_import(statement, package, namespace, (*active, module))
            else:
                code = ast.Module(body=[_Lightened().visit(statement)], type_ignores=[])
                exec(compile(code, str(path), "exec", dont_inherit=True), namespace)
                if isinstance(statement, ast.ClassDef):
                    getattr(namespace[statement.name], "__annotations__", None)  # evaluated only now since Python 3.14
        except Exception as error:  # a name that needs jax is simply not there
            line = _line_in(error, str(path)) or statement.lineno
            failures.update(dict.fromkeys(bound, (line, str(error) or repr(error))))
    return namespace, failures


def _line_in(error: BaseException, path: str) -> int | None:
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return lines[-1] if lines else None


def _bound(statement: ast.stmt) -> list[str]:
    """Names a top-level statement binds."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [statement.name]
    if isinstance(statement, ast.Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    if isinstance(statement, _ASSIGNMENTS):
        names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
        return [name.id for name in names if isinstance(name.ctx, ast.Store)]
    return []


def _bindings(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    bindings: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for name in _bound(statement):
            bindings.setdefault(name, []).append(statement)
    return bindings


def _needed(tree, bindings, wanted) -> list[ast.stmt]:
    """Top-level statements reached by following names from `wanted`, in the file's order."""
    waiting, kept = list(wanted), set()
    while waiting:
        for statement in bindings.pop(waiting.pop(), ()):
            if id(statement) not in kept:
                kept.add(id(statement))
                light = _Lightened().visit(statement)
                waiting += [n.id for n in ast.walk(light) if isinstance(n, ast.Name)]
    return [statement for statement in tree.body if id(statement) in kept]


def _light_import(statement, package, namespace, active):
    """Carries out a light import, reads names of the same package, and leaves the rest out."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            if alias.name.partition(".")[0] in LIGHT_PACKAGES or alias.name in LIGHT_MODULES:
                _execute(ast.Import(names=[alias]), namespace)
        return
    target = statement.module or ""
    if statement.level:
        above = package.split(".")[: len(package.split(".")) - statement.level + 1]
        target = ".".join([*above, *filter(None, [statement.module])])
    root = target.partition(".")[0]
    if target == "__future__":
        return
    if root in LIGHT_PACKAGES or target in LIGHT_MODULES:
        _execute(ast.ImportFrom(module=target, names=statement.names, level=0), namespace)
    elif root == package.partition(".")[0] and target not in active:
        wanted = {alias.name for alias in statement.names}
        found, failures = _light_names(target, wanted, active)
        for alias in statement.names:
            if alias.name in found:
                namespace[alias.asname or alias.name] = found[alias.name]
        for name in wanted & failures.keys():
            raise ImportError(f"{target}.{name}, line {failures[name][0]}: {failures[name][1]}")


def _execute(statement, namespace):
    code = ast.fix_missing_locations(ast.Module(body=[statement], type_ignores=[]))
    exec(compile(code, "<light import>", "exec", dont_inherit=True), namespace)


class _Lightened(ast.NodeTransformer):
    """Removes from functions what may speak of jax: annotations, and the whole inside of build."""

    def visit_FunctionDef(self, node):
        if node.name == "build":
            node.decorator_list = []
            node.body = [ast.copy_location(s, node.body[0]) for s in ast.parse(_REFUSAL).body]
            ast.fix_missing_locations(node)
        decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
        if "computed_field" not in decorators:  # which needs its return annotation
            node.returns = None
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            for argument in filter(None, [*arguments, node.args.vararg, node.args.kwarg]):
                argument.annotation = None
        return self.generic_visit(node)
