"""How a worker runs its media work: child processes, workspaces, statuses. Knows no transport and no codec."""
