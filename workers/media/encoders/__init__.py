"""Video encoders: which there are, what they are told, and what quality and speed mean on each one's own scale."""
