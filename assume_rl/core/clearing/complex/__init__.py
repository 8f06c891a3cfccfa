"""Complex clearing: `rule` is the rule; the other modules are its phases."""
