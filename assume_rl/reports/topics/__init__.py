"""Sections of a report: from a source to charts, tables and what is left out."""
