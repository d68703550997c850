"""Certificates of host names: requested by certbot, uploaded, kept, renewed."""
