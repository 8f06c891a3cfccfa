"""The Learning role and what it is made of."""
