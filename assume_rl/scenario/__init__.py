"""Scenario folders: read, validate and compile to tensors."""
