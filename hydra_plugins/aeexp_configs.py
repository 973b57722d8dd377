"""Hydra looks for configs in the user's packages too."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from aeexp.app.packages import folders


class UsersConfigs(SearchPathPlugin):
    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in folders()[1:]:
            search_path.append("aeexp", f"file://{folder}")
