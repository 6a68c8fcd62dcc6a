"""Finding tools by what they are for: texts to words and vectors, the index in PostgreSQL, and what embeds.

Knows nothing of servers, users or MCP: it is given documents and a set of them to look among.
"""
