"""Hydra looks for configs in the user's packages too, and finds an option of `bottleneck` for every whole number."""

import re

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from aeexp.app.packages import folders

NUMBER = re.compile(r"bottleneck/([1-9]\d*)(\.yaml)?")


class AeexpConfigs(SearchPathPlugin):
    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in folders()[1:]:
            search_path.append("aeexp", f"file://{folder}")
        search_path.append("aeexp", "bottleneck://")


class Bottleneck(ConfigSource):
    """bottleneck=24 -> dim: 24, without a file for each number."""

    @staticmethod
    def scheme() -> str:
        return "bottleneck"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path == "bottleneck"

    def is_config(self, config_path: str) -> bool:
        return NUMBER.fullmatch(config_path) is not None

    def load_config(self, config_path: str) -> ConfigResult:
        found = NUMBER.fullmatch(config_path)
        if found is None:
            raise ConfigLoadError(f"{config_path} is no whole number")
        header: dict[str, str | None] = {"package": None}
        return ConfigResult(
            config=OmegaConf.create({"dim": int(found[1])}),
            path=f"bottleneck://{config_path}",
            provider=self.provider,
            header=header,
        )

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        return []
