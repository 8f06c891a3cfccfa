"""Unit tables: one file per unit kind."""
