"""The way to a server and back: clients, proxies, deadlines, streamed events, and what a failed call was."""
