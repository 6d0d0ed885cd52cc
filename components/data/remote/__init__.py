"""Bytes that lie elsewhere, over http, https and S3: asked for politely, checked, and on this disk whole or not at all."""
