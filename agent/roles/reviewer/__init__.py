"""The LLM reviewer: fresh context, no author's words, findings instead of scores."""
