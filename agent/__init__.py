"""Think, propose, critique, review, remember, promote: models, round, engine, store, CLI."""
