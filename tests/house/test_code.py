"""The house rules that a linter does not know, held to the syntax trees of `app/`."""

import ast
from pathlib import Path

import pytest

from tests.house.sources import code_lines, dotted, functions, imported, modules
from tests.service import HOME

LONGEST_FILE, LONGEST_FUNCTION, SPEAKS_FOR_ITSELF = 200, 40, 12
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.save"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
NETWORK_CLIENTS = {"requests", "httpx", "aiohttp", "urllib3", "ftplib", "smtplib"}
UNSAFE_FLAGS = {("allow_pickle", True), ("weights_only", False), ("shell", True), ("verify", False)}
READERS_OF_THE_ENVIRONMENT = {
    "app/assembly.py",
    "app/cli.py",
    "app/cli_parts.py",
    "app/failpoints.py",
    "app/main.py",
    "app/settings.py",
}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}
GLOBAL_RANDOMNESS = {"np.random.seed", "np.random.default_rng", "torch.manual_seed", "torch.seed"}
PARSED = modules()
each_module = pytest.mark.parametrize(("path", "tree"), PARSED, ids=[str(path) for path, _ in PARSED])
DOMAIN = [(path, tree) for path, tree in PARSED if path.is_relative_to("app/domain")]
each_domain_module = pytest.mark.parametrize(("path", "tree"), DOMAIN, ids=[str(path) for path, _ in DOMAIN])


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


@each_module
def test_nothing_is_unpickled_evaluated_or_fetched(path: Path, tree: ast.Module) -> None:
    assert not imported(tree) & (UNSAFE_MODULES | NETWORK_CLIENTS)
    called = {dotted(call.func) for call in calls(tree)}
    assert not called & UNSAFE_CALLS
    assert not {name for name in called if name.endswith("urlopen")}


@each_module
def test_no_safety_of_a_library_is_switched_off(path: Path, tree: ast.Module) -> None:
    flags = {
        (word.arg, word.value.value)
        for call in calls(tree)
        for word in call.keywords
        if word.arg is not None and isinstance(word.value, ast.Constant) and isinstance(word.value.value, bool)
    }
    assert not flags & UNSAFE_FLAGS


@each_module
def test_files_and_functions_stay_short(path: Path, tree: ast.Module) -> None:
    assert len((HOME / path).read_text().splitlines()) <= LONGEST_FILE
    long = {function.name: code_lines(function) for function in functions(tree)}
    assert {name: lines for name, lines in long.items() if lines > LONGEST_FUNCTION} == {}


@each_module
def test_a_module_and_each_longer_public_function_say_what_they_are_for(path: Path, tree: ast.Module) -> None:
    assert ast.get_docstring(tree) or (path.name == "__init__.py" and not tree.body)
    silent = [
        function.name
        for function in functions(tree)
        if function in tree.body
        and not function.name.startswith("_")
        and ast.get_docstring(function) is None
        and code_lines(function) > SPEAKS_FOR_ITSELF
    ]
    assert silent == []


@each_module
def test_the_environment_is_read_where_the_parts_are_put_together(path: Path, tree: ast.Module) -> None:
    read = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name) and dotted(node).split(".")[-1] in ("environ", "getenv")
    ]
    reads_none = path.as_posix() not in READERS_OF_THE_ENVIRONMENT and not path.name.startswith("demo")
    # The package itself only sets a variable for a library, before that library can load.
    assert not (read and reads_none) or path.as_posix() == "app/__init__.py"


@each_domain_module
def test_the_domain_has_no_clock_and_no_randomness_but_what_it_is_given(path: Path, tree: ast.Module) -> None:
    called = {dotted(call.func) for call in calls(tree)}
    assert not {name for name in called if name.startswith(("datetime.", "date.")) and name.split(".")[1] in CLOCKS}
    assert not called & (GLOBAL_RANDOMNESS | {"open", "print", "input"})


@each_domain_module
def test_no_module_of_the_domain_changes_while_it_is_used(path: Path, tree: ast.Module) -> None:
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)]
