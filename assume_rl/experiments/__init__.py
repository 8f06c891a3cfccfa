"""Running, training and evaluating a study case from end to end."""
