"""The format of a task's folder: read strictly, with one sentence for each mistake."""
