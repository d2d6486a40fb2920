"""The laws of the house: who may import whom, who may read the clock, and what files may say."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
ROOMS = ("simulators", "bridge", "contracts", "scenarios")
OURS = set(ROOMS)

#: Package -> packages of ours it may import from (itself included).
FLOORS = {
    "contracts": ("contracts",),
    "simulators.engine": ("contracts", "simulators.engine"),
    "simulators.thousandeyes": ("contracts", "simulators.engine", "simulators.thousandeyes"),
    "simulators.pagerduty": ("contracts", "simulators.engine", "simulators.pagerduty"),
    "bridge": ("contracts", "bridge"),
}
LIVE = {"simulators/engine/live.py", "bridge/live.py"}
#: Names whose use means reading the clock, taking entropy or sleeping.
FORBIDDEN = re.compile(
    r"(time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns|sleep|localtime)"
    r"|(datetime|date)\.(now|utcnow|today)|os\.(urandom|getrandom)|uuid\.uuid[14]"
    r"|random\.\w+|secrets\.(?!compare_digest)\w+|threading\.Timer)$"
)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((HOME / room).rglob("*.py")):
            yield path.relative_to(HOME).as_posix(), ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", FLOORS)
def test_a_floor_stands_only_on_the_floors_below(package: str) -> None:
    """Vendors never import each other, the bridge never imports a simulator, the engine knows no vendor."""
    folder = package.replace(".", "/") + "/"
    allowed = FLOORS[package]
    wrong = [
        f"{path} imports {name}"
        for path, tree in modules()
        if path.startswith(folder) and "/tests/" not in path
        for name in imports(tree)
        if name.split(".")[0] in OURS
        and not any(name == floor or name.startswith(floor + ".") for floor in allowed)
        and name != "simulators"
    ]
    assert wrong == []


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_only_the_two_live_modules_read_the_clock_take_entropy_or_sleep() -> None:
    """Everything else is told the time and draws ids from the seed."""
    wrong = []
    for path, tree in modules():
        if path in LIVE or "/tests/" in path or Path(path).name.startswith("test_"):
            continue
        wrong += [f"{path}:{node.lineno} {dotted(node)}" for node in ast.walk(tree)
                  if isinstance(node, ast.Attribute) and FORBIDDEN.search(dotted(node))]  # fmt: skip
        wrong += [f"{path} imports {name}" for name in imports(tree) if name.split(".")[0] in {"random", "sched"}]
    assert wrong == []


def test_the_scan_for_clocks_finds_one() -> None:
    """The scan is not blind: the live modules themselves would be reported."""
    tree = ast.parse((HOME / "simulators/engine/live.py").read_text())
    assert any(isinstance(node, ast.Attribute) and FORBIDDEN.search(dotted(node)) for node in ast.walk(tree))


ROUTING = {"get", "post", "put", "delete", "patch", "route"}
THIN = 12


def routes(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            calls = [mark.func for mark in node.decorator_list if isinstance(mark, ast.Call)]
            if any(isinstance(call, ast.Attribute) and call.attr in ROUTING for call in calls):
                yield node


def test_routes_are_thin() -> None:
    """A route reads its request, calls one verb and answers: at most a dozen statements, whatever it serves."""
    found = [(path, route) for path, tree in modules() for route in routes(tree)]
    assert len(found) > 50
    thick = {
        f"{path} {route.name}": size
        for path, route in found
        if (size := sum(isinstance(node, ast.stmt) for node in ast.walk(route)) - 1) > THIN
    }
    assert thick == {}


def test_files_name_no_machine_path_and_leave_nothing_unfinished() -> None:
    """No home folders, no package registry's address, no unfinished marks in anything that is shipped."""
    listed = subprocess.run(["git", "ls-files"], cwd=HOME, capture_output=True, text=True, check=True).stdout
    banned = re.compile(
        "|".join((r"(?<![\w.])/(wo" r"rk|root|home)/\w", r"index-" r"url", r"\bTO" r"DO\b", r"NotImplemented" r"Error"))
    )
    wrong = []
    for name in listed.splitlines():
        path = HOME / name
        if path.suffix in {".py", ".md", ".toml", ".html", ".json", ".txt"} and path.is_file():
            wrong += [f"{name}: {found[0]}" for found in banned.finditer(path.read_text(encoding="utf-8"))]
    assert wrong == []
