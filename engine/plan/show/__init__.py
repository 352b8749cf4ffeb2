"""A plan for people and for programs: text in a terminal, Markdown, JSON."""
