"""Protocols that clients of other servers speak: thin adapters on the predictor that answers everything."""
