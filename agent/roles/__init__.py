"""The model's parts: it proposes, criticises and reviews; each role knows nothing of the others."""
