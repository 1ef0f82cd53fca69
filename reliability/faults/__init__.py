"""While all that the service stands on fails: what calls are told, and what is kept."""
