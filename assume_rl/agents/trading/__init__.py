"""The roles that trade: market operators and unit operators."""
