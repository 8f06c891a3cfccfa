"""Policies and learners on disk."""
