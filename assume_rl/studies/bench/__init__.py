"""Algorithms on equal budgets of processor time."""
