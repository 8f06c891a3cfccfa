"""Agent-based electricity-market simulation with learning bidders."""
