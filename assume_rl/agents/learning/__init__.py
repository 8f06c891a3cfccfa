"""The Learning role and its parts."""
