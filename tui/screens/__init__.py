"""One module a screen; each draws a view state and asks for actions, none reads the ledger."""
