"""From a model's name and options to a model, its key and its price."""
