"""The project's own sources, as the house's tests read them."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.service import HOME

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tracked(pattern: str) -> list[Path]:
    """Files of the repository (new ones too, ignored ones not), with paths relative to its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", pattern]
    listed = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Path(name) for name in sorted(listed) if (HOME / name).exists()]


def modules() -> list[tuple[Path, ast.Module]]:
    """Every module of the app, parsed."""
    return [(path, ast.parse((HOME / path).read_text())) for path in tracked("app/*.py")]


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def code_lines(function: Function) -> int:
    """Lines of a function without its docstring."""
    documented = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    docstring = _lines(documented) if documented is not None else 0
    return _lines(function) - docstring


def dotted(node: ast.expr) -> str:
    """`a.b.c` for a chain of names; the empty text for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else f"?.{node.attr}"
    return ""


def imported(tree: ast.AST) -> set[str]:
    """The first name of every module that is imported."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def _lines(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1
