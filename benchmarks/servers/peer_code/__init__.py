"""The code that a user would write for each peer; it runs in that peer's own virtual environment."""
