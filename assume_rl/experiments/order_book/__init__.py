"""Order books in tables: read, cleared by any rule, and why orders were rejected."""
