"""Single-agent faces under the names that users of the field know."""
