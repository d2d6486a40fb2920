"""What crosses the wires: schemas, contract files and the fidelity ledger. The ground floor: it imports nothing of ours."""
