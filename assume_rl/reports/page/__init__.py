"""A report as one HTML file: the template, its style sheet and its script, and what fills them."""
