"""Model providers behind their own SDKs, each translated to one protocol."""
