"""A campaign's rounds, run as durable workflows: one function a round, one a step."""
