"""Storms: real workers are killed, stopped and robbed of their database while real runs train; then all is checked."""
