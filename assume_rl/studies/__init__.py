"""Studies: designs x parameters x seeds from one YAML file, executed, resumed and collected."""
