"""What is measured, and how: each module prints a Markdown table."""
