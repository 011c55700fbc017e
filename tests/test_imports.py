"""Imports point one way, and what is heavy is imported late."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import se_nas

PACKAGE = Path(se_nas.__file__).parent
MODULES = {
    ".".join(("se_nas", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
# The rooms of the package: each imports only from rooms that stand before it.
HOUSE = (
    ("texts",),
    ("errors",),
    ("values", "layers", "streams", "gates", "squeezes"),
    ("files", "signals", "provenance"),
    ("documents", "dsl", "settings", "user_files"),
    ("checked_settings",),
    ("se", "data_settings"),
    ("trunks",),
    ("architecture",),
    ("cost", "space", "console"),
    ("additive", "bench"),
    ("spaces", "zoo", "nn"),
    ("data",),
    ("models",),
    ("training", "detection", "testing", "latency", "timm"),
    ("tasks", "coco"),
    ("search",),
    ("cli",),
)
# Of the search: pricing, tuning and finals do not know one another, nor a worker the run's folder.
ROOMS = (
    ("config",),
    ("config_file",),
    ("run_dir", "worker"),
    ("cluster", "checked_data"),
    ("study",),
    ("init_weights",),
    ("plan",),
    ("pricing", "tuning", "finals"),
    ("results",),
    ("report",),
    ("run", "replay", "dry_run", "user_input"),
    ("",),
)
# What modules take of the bare package, whose names come from all rooms: its version, its folder.
FRONT = {
    "se_nas.provenance": {"__version__"},
    "se_nas.cli.usage": {"__version__"},
    "se_nas.search.cluster.runtime_env": {"se_nas"},
}
HEAVY = {"torch", "torchvision", "numpy", "timm", "safetensors", "scipy", "sklearn"}
LIGHT_ROOMS = (
    *(
        "texts",
        "errors",
        "values",
        "dsl",
        "settings",
        "checked_settings",
        "user_files",
        "layers",
        "files",
        "streams",
        "gates",
        "squeezes",
        "se",
        "trunks",
        "architecture",
    ),
    *("cost", "space", "spaces", "zoo"),
)
LIGHT_IN_LATENCY = ("blocks", "measure_missing", "cache", "cover", "settings", "table")
LIGHT = [
    module
    for module in MODULES
    if module == "se_nas"
    or module.split(".")[1] in LIGHT_ROOMS
    or module in {f"se_nas.latency.{name}" for name in LIGHT_IN_LATENCY}
]


def imports(path: Path, *, at_module_level: bool = False) -> set[str]:
    """Dotted names that a file imports, ``if TYPE_CHECKING`` aside."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if at_module_level and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(str(node.module))
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def test_the_reader_sees_imports(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text(
        "import a.b\nfrom c import d\nif TYPE_CHECKING:\n    import e\n"
        "def f():\n    import g\nif x:\n    import h\n"
    )
    assert imports(file) == {"a.b", "c", "c.d", "g", "h"}
    assert imports(file, at_module_level=True) == {"a.b", "c", "c.d", "h"}


def ours(module: str) -> set[str]:
    """The modules of ours that one imports, also late ones and those for type checkers alone."""
    text = MODULES[module].read_text(encoding="utf-8")
    found = {
        f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in MODULES else node.module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return {name for name in found | plain(text) if name in MODULES} - {module}


def plain(text: str) -> set[str]:
    """The modules of ``import`` statements without ``from``."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)]
    return {alias.name for node in nodes for alias in node.names}


def of_the_front(text: str) -> set[str]:
    """What a text takes of the bare package ``se_nas``: its names, or itself; no modules."""
    names = {
        alias.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.module == "se_nas"
        for alias in node.names
        if f"se_nas.{alias.name}" not in MODULES
    }
    return names | plain(text) & {"se_nas"}


def test_names_of_the_front_are_seen() -> None:
    text = "from se_nas import dsl, run_search\nimport se_nas.zoo\ndef f():\n    import se_nas\n"
    assert of_the_front(text) == {"run_search", "se_nas"}
    assert plain(text) == {"se_nas.zoo", "se_nas"}


@pytest.mark.parametrize("module", [m for m in MODULES if m != "se_nas"])
def test_inside_nothing_is_imported_of_the_front(module: str) -> None:
    allowed = FRONT.get(module, set())
    assert of_the_front(MODULES[module].read_text(encoding="utf-8")) == allowed


def floor(rooms: tuple[tuple[str, ...], ...], room: str) -> int:
    [found] = [number for number, names in enumerate(rooms) if room in names]
    return found


@pytest.mark.parametrize("module", [m for m in MODULES if m != "se_nas"])
def test_the_rooms_of_the_house_point_one_way(module: str) -> None:
    room = module.split(".")[1]
    for other in ours(module) - {"se_nas"}:
        below = other.split(".")[1]
        assert below == room or floor(HOUSE, below) < floor(HOUSE, room), f"{module} → {other}"


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("se_nas.search")])
def test_the_rooms_of_the_search_point_one_way(module: str) -> None:
    room = f"{module}.".split(".")[2]
    for other in ours(module):
        if other == "se_nas.search" or not other.startswith("se_nas.search"):
            continue
        below = other.split(".")[2]
        assert below == room or floor(ROOMS, below) < floor(ROOMS, room), f"{module} → {other}"


def test_a_worker_imports_nothing_of_the_search_but_the_configuration() -> None:
    for module in MODULES:
        if module.startswith("se_nas.search.worker"):
            of_search = {m for m in ours(module) if m.startswith("se_nas.search")}
            rooms = {other.split(".")[2] for other in of_search - {"se_nas.search"}}
            assert rooms <= {"config", "worker"}, module


@pytest.mark.parametrize("module", MODULES)
def test_ray_is_never_in_the_study_and_optuna_nowhere_else(module: str) -> None:
    tops = {name.split(".")[0] for name in imports(MODULES[module])}
    in_study = module.startswith("se_nas.search.study")
    assert "optuna" not in tops or in_study or module == "se_nas.search.replay"
    assert "ray" not in tops or (module.startswith("se_nas.search.") and not in_study)


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """The sets of nodes that reach one another, of two nodes and more."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for other in edges[todo.pop()] - seen:
                seen.add(other)
                todo.append(other)
        return seen

    reach = {node: reached(node) for node in edges}
    found = [{a for a in reach[b] if b in reach[a]} | {b} for b in edges if b in reach[b]]
    return [group for i, group in enumerate(found) if group not in found[:i]]


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [{"b", "c"}]


def test_no_circle_of_imports_has_more_than_two_files() -> None:
    # ``import package.module`` runs the package's ``__init__``, which hands names on: not counted.
    packages = {m for m in MODULES if MODULES[m].name == "__init__.py"}
    edges = {m: ours(m) - (packages - {"se_nas.trunks", "se_nas.data"}) for m in MODULES}
    found = circles(edges)
    assert [group for group in found if len(group) > 2] == []


@pytest.mark.parametrize("module", LIGHT)
def test_values_import_no_torch(module: str) -> None:
    tops = {name.split(".")[0] for name in imports(MODULES[module], at_module_level=True)}
    assert not tops & HEAVY


@pytest.mark.parametrize(
    "statement",
    [
        "import se_nas",
        "import se_nas; str(se_nas.Architecture.parse('se_resnet50_r16').id)",
        "import se_nas.cost; se_nas.cost.cost('se_mobilenet_v1_r16')",
        "from se_nas.spaces import load_space; load_space('mobile_se').sample(0).id",
        "from se_nas.zoo import names; names()",
    ],
)
def test_no_heavy_module_without_a_model(statement: str) -> None:
    code = f"{statement}; import sys; print(*{{n.split('.')[0] for n in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
        timeout=120,
    )
    assert "se_nas" in done.stdout.split()
    assert not {"torch", "ray", "optuna", "numpy", "torchvision"} & set(done.stdout.split())


def test_public_names_resolve() -> None:
    assert len(set(se_nas.__all__)) == len(se_nas.__all__)
    for name in se_nas.__all__:
        assert getattr(se_nas, name) is not None
    assert set(se_nas.__all__) <= set(dir(se_nas))
    assert callable(se_nas.trunk), "the function, not the module of a similar name"
    with pytest.raises(AttributeError, match="no attribute 'materialise'"):
        se_nas.materialise  # noqa: B018


def test_public_names_are_the_ones_for_type_checkers() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(typed) | {"__version__"} == set(se_nas.__all__)
    for name, module in typed.items():
        assert module == f"se_nas.{se_nas._HOME[name]}"
