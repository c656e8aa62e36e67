"""File trees, patches and repositories of tasks, read as untrusted bytes."""
