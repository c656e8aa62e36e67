"""What of this machine sandboxes may use: devices, limits, meters, environments, leases."""
