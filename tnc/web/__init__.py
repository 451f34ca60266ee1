"""The faces of tnc: what visitors, networks and the owner reach over HTTP."""
