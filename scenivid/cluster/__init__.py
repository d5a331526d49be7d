"""Many workers at one film or at many: processes of this machine, or actors of a Ray cluster."""
