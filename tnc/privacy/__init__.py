"""The rights of visitors (access, erasure, restriction, objection), retention, and proof that erased data is gone."""
