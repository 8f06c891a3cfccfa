"""Policies as things of their own: described, checked, compared, exported."""
