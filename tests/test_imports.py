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
# What no trunk knows of.
HIGHER = (
    "se_nas.architecture.architecture",
    "se_nas.nn.blocks",
    "se_nas.nn.model",
    "se_nas.cost.network_cost",
)
LIGHT = [
    module
    for module in MODULES
    if module == "se_nas"
    or module.startswith("se_nas.trunks")
    or module.removeprefix("se_nas.")
    in {
        "arch",
        "cost",
        "dsl",
        "errors",
        "latency.blocks",
        "latency.build",
        "latency.cache",
        "latency.cover",
        "latency.settings",
        "latency.table",
        "layers",
        "names",
        "objectives",
        "space",
        "space_checks",
        "spaces",
        "spelling",
        "tallies",
        "template_json",
        "templates",
        "zoo",
    }
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


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_search(module: str) -> None:
    # The command line is the one place above the search.
    if module.startswith(("se_nas.search", "se_nas.cli")):
        return
    assert not {name for name in imports(MODULES[module]) if name.startswith("se_nas.search")}


@pytest.mark.parametrize("module", MODULES)
def test_only_search_imports_ray_and_optuna(module: str) -> None:
    if module.startswith("se_nas.search"):
        return
    tops = {name.split(".")[0] for name in imports(MODULES[module])}
    assert not tops & {"ray", "optuna"}


@pytest.mark.parametrize("module", LIGHT)
def test_values_import_no_torch(module: str) -> None:
    tops = {name.split(".")[0] for name in imports(MODULES[module], at_module_level=True)}
    assert not tops & {"torch", "torchvision", "numpy", "timm", "safetensors"}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("layers", ("se_nas",)),
        ("errors", ("se_nas",)),
        (
            "dsl",
            (
                "se_nas.architecture.architecture",
                "se_nas.trunks",
                "se_nas.space.space",
                "se_nas.nn.blocks",
            ),
        ),
        (
            "arch",
            (
                "se_nas.space.space",
                "se_nas.space.templates",
                "se_nas.cost.network_cost",
                "se_nas.nn.blocks",
            ),
        ),
        ("se", ("se_nas.space.space", "se_nas.cost.network_cost", "se_nas.training.train")),
        (
            "modules",
            (
                "se_nas.architecture.architecture",
                "se_nas.trunks",
                "se_nas.nn.model",
                "se_nas.cost.network_cost",
                "se_nas.training.train",
            ),
        ),
        (
            "model",
            (
                "se_nas.space.space",
                "se_nas.cost.network_cost",
                "se_nas.training.train",
                "se_nas.models.weights",
            ),
        ),
        (
            "cost",
            ("se_nas.space.space", "se_nas.nn.blocks", "se_nas.nn.model", "se_nas.training.train"),
        ),
        (
            "tallies",
            (
                "se_nas.architecture.architecture",
                "se_nas.trunks",
                "se_nas.cost.network_cost",
                "se_nas.nn.blocks",
            ),
        ),
        (
            "space",
            (
                "se_nas.nn.blocks",
                "se_nas.nn.model",
                "se_nas.training.train",
                "se_nas.cost.network_cost",
                "se_nas.models.materialize",
            ),
        ),
        ("train", ("se_nas.space.space", "se_nas.space.files")),
    ],
)
def test_direction(module: str, forbidden: tuple[str, ...]) -> None:
    found = imports(MODULES[f"se_nas.{module}"])
    assert not {name for name in found for top in forbidden if f"{name}.".startswith(f"{top}.")}


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("se_nas.trunks")])
def test_trunks_know_no_architectures(module: str) -> None:
    found = imports(MODULES[module], at_module_level=True)
    assert not {n for n in found if n.startswith(HIGHER)}


@pytest.mark.parametrize(
    "statement",
    [
        "import se_nas",
        "import se_nas; str(se_nas.Architecture.parse('se_resnet50_r16').id)",
        "import se_nas.cost.network_cost; se_nas.cost.network_cost.cost('se_mobilenet_v1_r16')",
        "from se_nas.space.files import load_space; load_space('mobile_se').sample(0).id",
        "from se_nas.zoo.zoo import names; names()",
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
