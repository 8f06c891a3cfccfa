"""The batch shell: many copies of a scenario's markets, stepped as one tensor."""
