"""Pages over the whole screen that look beyond one campaign: agenda, capability and control, horizon, low-risk batch."""
