"""Language models behind one small protocol: provider adapters, a scripted model, prices, retries."""
