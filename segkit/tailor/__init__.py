"""Treat segments differently: products, offers, audiences, proof."""
