"""The trusted side of the reviewer task: a corpus of cheats and honest patches, and what makes each look otherwise every time."""
