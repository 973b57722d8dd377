"""The part of pyproject.toml that must look at the folders: configs/ is aeexp/configs in the wheel."""

from setuptools import find_namespace_packages, find_packages, setup

GROUPS = [f"aeexp.configs.{name}" for name in find_namespace_packages("configs")]

setup(
    packages=[*find_packages(include=["aeexp", "aeexp.*"]), "aeexp.configs", *GROUPS, "hydra_plugins"],
    package_dir={"aeexp.configs": "configs"},
    package_data={"": ["*.yaml"], "aeexp": ["py.typed"], "aeexp.report": ["*.html"]},
)
