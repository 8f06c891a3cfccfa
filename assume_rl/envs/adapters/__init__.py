"""Copies of a market in the interfaces of other libraries."""
