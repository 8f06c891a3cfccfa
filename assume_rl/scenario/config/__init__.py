"""`config.yaml`: keys, overrides, and the study case that they make."""
