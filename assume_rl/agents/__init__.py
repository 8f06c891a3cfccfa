"""The message shell: mango roles that run the core by exchanging messages."""
