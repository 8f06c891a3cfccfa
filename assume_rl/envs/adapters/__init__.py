"""Adapters of the batch shell to the interfaces of other libraries."""
