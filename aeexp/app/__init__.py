"""Where configuration becomes objects: the only room that knows Hydra."""
